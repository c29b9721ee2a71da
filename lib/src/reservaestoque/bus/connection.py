"""One connection at a time, made anew after every failure: nothing repaired, so nothing half repaired."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
from pamqp.exceptions import PAMQPException
from prometheus_client import Counter

from reservaestoque.backoff import back_off
from reservaestoque.telemetry import logger

FAULTS = (AMQPError, ChannelInvalidStateError, PAMQPException, OSError)
"""What a broker that is away, restarting or failing over looks like from here."""

_log = logger(__name__)
_lost = Counter("bus_connections_lost_total", "Broker connections that ended by a failure", ["purpose"])


async def keep_connected(url: str, purpose: str, session: Callable[[AbstractConnection], Awaitable[None]]) -> None:
    """Runs `session` on a connection, again and again until cancelled, whatever the broker does meanwhile."""
    async for _ in _attempts():
        try:
            connection = await aio_pika.connect(url, timeout=5.0, client_properties={"connection_name": purpose})
            async with connection:
                await session(connection)
        except FAULTS as fault:
            _lost.labels(purpose).inc()
            _log.warning("broker_connection_lost", purpose=purpose, fault=repr(fault))


async def _attempts() -> AsyncIterator[None]:
    """An attempt at once, then with back-off; one that lasted ten seconds starts the count anew."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        yield
        failures = 1 if loop.time() - began > 10 else failures + 1  # noqa: PLR2004
        await back_off(failures)
