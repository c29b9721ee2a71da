"""One connection at a time, replaced after every failure: a broken connection is never repaired in place.

A vanished peer sends nothing, so every wait here is bounded. Heartbeats detect a dead peer; deadlines detect one that
does not answer. The socket is then closed without the closing handshake, which would never be answered.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from typing import Any

import aio_pika
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, TransportFactory
from pamqp.exceptions import PAMQPException
from prometheus_client import Counter
from yarl import URL

from reservaestoque.backoff import back_off
from reservaestoque.bus.properties import tolerate_unreadable_properties
from reservaestoque.telemetry import logger

FAULTS = (AMQPError, ChannelInvalidStateError, PAMQPException, OSError)
"""Errors raised here when a broker is down, restarting or failing over."""

HEARTBEAT = 5
"""Seconds, unless the URL has `?heartbeat=`. aiormq gives up on a silent broker after three heartbeats plus one
second, and checks every two seconds: after 20 s at most. RabbitMQ advises against less than this
(rabbitmq.com/docs/heartbeats).
"""

CONNECT_TIMEOUT = 5.0
ANSWER_TIMEOUT = 10.0
"""Seconds that a broker may take to declare the topology, or to confirm a message."""
CLOSE_TIMEOUT = 3.0
"""Seconds for the closing handshake; aiormq itself waits two for its answer."""
CHECK_SECONDS = 1.0

_log = logger(__name__)
_lost = Counter("bus_connections_lost_total", "Broker connections lost to a failure", ["purpose"])


class Connection(aio_pika.Connection):
    """A connection that can be aborted."""

    def __init__(self, url: str, purpose: str) -> None:
        """`purpose` identifies it in the broker's list of connections and in our logs."""
        tolerate_unreadable_properties()
        address = URL(url)
        if "heartbeat" not in address.query:
            address = address.update_query(heartbeat=HEARTBEAT)
        super().__init__(address, client_properties={"connection_name": purpose})
        self._purpose = purpose
        self._transports = _Transports()
        self.kwargs["transport_factory"] = self._transports

    @property
    def blocked(self) -> bool:
        """Whether the broker has announced that it currently accepts no messages: its memory or disk is running out.

        It stops reading from such a connection, so it does not even notice when we close it, but it still sends
        heartbeats (rabbitmq.com/docs/connection-blocked).
        """
        if self.transport is None:
            return False
        ready = self.transport.ready().__await__()
        try:
            next(ready)
        except StopIteration:
            return False
        ready.close()
        return True

    def abort(self) -> None:
        """Drops the socket; all pending operations on it fail."""
        self._transports.abort()

    @contextlib.contextmanager
    def deadline(self, seconds: float, *, unless_blocked: bool = False) -> Iterator[None]:
        """Aborts the connection when the block takes longer than `seconds`; with `unless_blocked`, not while the
        broker blocks it.
        """
        expiry = asyncio.create_task(self._expire(seconds, unless_blocked))
        try:
            yield
        finally:
            expiry.cancel()

    async def _expire(self, seconds: float, unless_blocked: bool) -> None:
        await asyncio.sleep(seconds)
        while unless_blocked and self.blocked and self.transport is not None:
            await self.transport.ready()
            await asyncio.sleep(seconds)
        _log.warning("broker_does_not_answer", purpose=self._purpose, seconds=seconds)
        self.abort()

    async def lost(self) -> None:
        """Waits until the connection has ended, then raises ConnectionResetError with the reason."""
        if self.transport is None:
            raise ConnectionResetError("the connection is closed")
        connection = self.transport.connection
        closing = connection.closing
        # aiormq reports a connection as closed only after a flush, which a peer that reads nothing prevents.
        while connection.is_opened:
            await asyncio.wait([closing], timeout=CHECK_SECONDS)
        cause = closing.exception() if closing.done() else None
        # aiormq cancels a connection that missed its heartbeats.
        silent = isinstance(cause, asyncio.CancelledError)
        raise ConnectionResetError("the broker fell silent" if silent else f"the connection has ended: {cause!r}")

    async def open(self) -> None:
        """Connects. Raises one of FAULTS."""
        with self.deadline(2 * CONNECT_TIMEOUT):
            await self.connect()

    async def end(self) -> None:
        """Closes the connection cleanly, or aborts it when the broker does not answer."""
        with self.deadline(CLOSE_TIMEOUT):
            await self.close()


class _Transports(TransportFactory):
    """Creates the connection's socket and keeps a reference: aiormq cannot close one without its peer."""

    def __init__(self) -> None:
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        factory = TLSTransportFactory() if url.scheme == "amqps" else TCPTransportFactory()
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, self._writer = await factory.create(url, **kwargs)
        return reader, self._writer

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()


@contextlib.asynccontextmanager
async def open_connection(url: str, purpose: str) -> AsyncIterator[Connection]:
    """A connection to the broker. Raises one of FAULTS if it cannot be opened within ten seconds."""
    connection = Connection(url, purpose)
    try:
        await connection.open()
        yield connection
    finally:
        await connection.end()


async def keep_connected(url: str, purpose: str, session: Callable[[Connection], Awaitable[None]]) -> None:
    """Runs `session` on one connection after another until cancelled, through broker outages.

    A session ends with its connection, even in the middle of a wait.
    """
    async for _ in _attempts():
        try:
            with _cancelled_by_us_only():
                async with open_connection(url, purpose) as connection:
                    await side_by_side([_until_closed(session(connection)), connection.lost()])
        except FAULTS as fault:
            _lost.labels(purpose).inc()
            _log.warning("broker_connection_lost", purpose=purpose, fault=repr(fault))


async def _until_closed(session: Awaitable[None]) -> None:
    await session
    raise ConnectionResetError("the broker closed the channel")


async def side_by_side(jobs: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs `jobs` until all have ended or one has failed, which ends the others.

    Raises what one of them raised, preferably an error that is not in FAULTS. The client library cancels jobs when a
    connection closes: such a job has failed (ConnectionAbortedError), whereas asyncio.TaskGroup would count it as
    finished. And a failing TaskGroup leaves its own task counted as cancelled, so Python 3.11.2 (Debian 12) ends that
    task at its next timeout.
    """
    tasks = [asyncio.create_task(_job(job)) for job in jobs]
    try:
        await asyncio.gather(*tasks)
    except Exception as first:
        raise next((fault for fault in await _cancel(tasks) if not isinstance(fault, FAULTS)), first) from None
    except asyncio.CancelledError:
        await _cancel(tasks)
        raise


async def _job(job: Coroutine[Any, Any, None]) -> None:
    with _cancelled_by_us_only():
        await job


async def _cancel(tasks: Iterable["asyncio.Task[None]"]) -> list[Exception]:
    """Ends the jobs that are still running; returns the errors that they raised."""
    for task in tasks:
        task.cancel()
    return [end for end in await asyncio.gather(*tasks, return_exceptions=True) if isinstance(end, Exception)]


@contextlib.contextmanager
def _cancelled_by_us_only() -> Iterator[None]:
    """Raises ConnectionAbortedError when something inside the block is cancelled, but this task is not."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionAbortedError("the client library cancelled the job") from cancelled


async def _attempts() -> AsyncIterator[None]:
    """Yields at once, then with back-off; an attempt that lasted ten seconds resets the count of failures."""
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        began = loop.time()
        yield
        failures = 1 if loop.time() - began > 10 else failures + 1  # noqa: PLR2004
        await back_off(failures)
