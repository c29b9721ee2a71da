"""One connection at a time, made anew after every failure: nothing repaired, so nothing half repaired."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any

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
            with _cancelled_by_us_only():
                connection = await aio_pika.connect(url, timeout=5.0, client_properties={"connection_name": purpose})
                async with connection:
                    await session(connection)
        except FAULTS as fault:
            _lost.labels(purpose).inc()
            _log.warning("broker_connection_lost", purpose=purpose, fault=repr(fault))


async def side_by_side(jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs `jobs` until all of them have ended or one has failed, which ends the others.

    Raises what one raised, rather one that is not of FAULTS. A job that the client library cancelled, as it does when
    a connection closes, has failed (ConnectionAbortedError): to asyncio.TaskGroup it would have ended well. And a
    TaskGroup that fails counts its own task as cancelled, for which Python 3.11.2 (Debian 12) ends it at its next
    timeout.
    """
    tasks = [asyncio.create_task(_job(job)) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    except Exception as first:
        raise next((fault for fault in await _end(tasks) if not isinstance(fault, FAULTS)), first) from None
    except asyncio.CancelledError:
        await _end(tasks)
        raise


async def _job(job: Coroutine[Any, Any, None]) -> None:
    with _cancelled_by_us_only():
        await job


async def _end(tasks: Iterable["asyncio.Task[None]"]) -> list[Exception]:
    """Ends all that still run; what any of them raised."""
    for task in tasks:
        task.cancel()
    return [end for end in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(end, Exception)]


@contextlib.contextmanager
def _cancelled_by_us_only() -> Iterator[None]:
    """Raises ConnectionAbortedError when something is cancelled within and nobody asked this task to end."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionAbortedError("the client library cancelled what it was asked to do") from cancelled


async def _attempts() -> AsyncIterator[None]:
    """An attempt at once, then with back-off; one that lasted ten seconds starts the count anew."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        yield
        failures = 1 if loop.time() - began > 10 else failures + 1  # noqa: PLR2004
        await back_off(failures)
