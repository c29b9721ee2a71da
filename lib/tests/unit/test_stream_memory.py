"""The memory of open streams: they hold nothing already sent, and a bounded part of the rest."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reservaestoque.streams import PAGE_BYTES, EventPage, EventStream, Feed, Frame, Position, Streams, sse
from reservaestoque.streams.response import PIECE_BYTES

KIB = 1024
STREAMS = 40
PAGES = 5
EVENT = sse.event("e", b"x" * (KIB - 17))
assert len(EVENT) == KIB
PAGE_EVENTS = PAGE_BYTES // KIB
OVERHEAD = 16 * KIB
"""More than the parts of a stream need: two tasks, generators, a follower."""


class Log:
    """A source that creates its events on each read, like one that reads a database; one page per key."""

    def __init__(self) -> None:
        self.changes = 0
        self.keys = 1

    async def newest(self) -> Position:
        return Position(self.changes, 1, 1)

    async def check(self, position: Position) -> None:
        return

    async def read(self, after: Position) -> EventPage:
        await asyncio.sleep(0)
        numbers = range(after.transaction + 1, min(self.changes, after.transaction + PAGE_EVENTS) + 1)
        frames = [Frame(Position(n, 1, 1), f"{n // PAGE_EVENTS % self.keys}", EVENT[:-2] + b"\n\n") for n in numbers]
        return EventPage(frames, frames[-1].position if frames else after, len(frames) == PAGE_EVENTS)


class Client:
    """Takes and discards bytes up to a limit; then takes nothing more."""

    def __init__(self, takes: float) -> None:
        self.takes = takes
        self.took = 0
        self.messages = 0
        self.stuck = False

    async def send(self, message: Any) -> None:
        if self.took >= self.takes:
            self.stuck = True
            await asyncio.Event().wait()
        self.messages += "body" in message
        self.took += len(message.get("body", b""))

    async def receive(self) -> Any:
        await asyncio.Event().wait()


class Running:
    """Streams that have been opened, with a feed."""

    def __init__(self, log: Log, **options: Any) -> None:
        self.feed = Feed(log, heartbeat=60.0, **options)
        self._streams = Streams(10_000, 10_000)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, last_id: str, takes: float, key: str | None = None) -> Client:
        client = Client(takes)
        pieces = self.feed.follow(await self.feed.begin(last_id), key)
        scope: Any = {"type": "http"}
        self._tasks.append(
            asyncio.create_task(EventStream(self._streams, "ana", pieces)(scope, client.receive, client.send))
        )
        return client

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0)


async def live(clients: list[Client]) -> None:
    """Returns when they have been sent everything: their opening, their first position and their current one."""
    await until(lambda: all(client.messages >= 3 for client in clients))
    for _ in range(20):
        await asyncio.sleep(0)


def held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.fixture(autouse=True)
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def bytes_a_stream(log: Log, takes: float, done: Callable[[Client], bool]) -> float:
    running = Running(log)
    await running.open("1.1.1", takes)  # allocates what all of them share
    before = held()
    clients = [await running.open("1.1.1", takes) for _ in range(STREAMS)]
    await until(lambda: all(map(done, clients)))
    for _ in range(20):
        await asyncio.sleep(0)
    each = (held() - before) / STREAMS
    await running.close()
    return each


async def test_a_stream_that_has_caught_up_holds_nothing_already_sent():
    log = Log()
    log.changes = PAGES * PAGE_EVENTS
    whole = (log.changes - 1) * KIB
    assert await bytes_a_stream(log, float("inf"), lambda client: client.took > whole) < OVERHEAD


async def test_a_live_stream_holds_nothing_already_sent():
    log = Log()
    log.changes, log.keys = 1, STREAMS
    running = Running(log)
    before = held()
    clients = [await running.open("1.1.1", float("inf"), f"{n}") for n in range(STREAMS)]
    await live(clients)
    for n in range(STREAMS):
        log.changes = (n + 1) * PAGE_EVENTS - 1
        await running.feed.step()
        await until(lambda client=clients[n]: client.took > 0.9 * PAGE_BYTES)  # type: ignore[misc]
    assert (held() - before) / STREAMS < OVERHEAD
    await running.close()


async def test_a_stream_whose_client_is_slow_holds_one_page():
    log = Log()
    log.changes = PAGES * PAGE_EVENTS
    assert (
        await bytes_a_stream(log, 1.5 * PAGE_BYTES, lambda client: client.stuck) < PAGE_BYTES + PIECE_BYTES + OVERHEAD
    )


async def test_the_buffer_for_slow_streams_is_bounded_for_all_of_them_together():
    log, buffer = Log(), 4 * PAGE_EVENTS
    log.changes, log.keys = 1, STREAMS
    running = Running(log, buffer=buffer)
    clients = [await running.open("1.1.1", float("inf"), f"{n}") for n in range(STREAMS)]
    await live(clients)
    for client in clients:
        client.takes = 0  # none from now on
    before = held()
    for _ in range(3 * STREAMS):  # less for each than the buffer holds
        log.changes += PAGE_EVENTS - 1
        await running.feed.step()
    waiting = 2 * (buffer + PAGE_EVENTS) * KIB  # the events, and their joined text
    assert held() - before < waiting + STREAMS * (PAGE_BYTES + PIECE_BYTES + OVERHEAD), (
        "and the piece being sent to each"
    )
    await running.close()
