"""A feed on a log in memory: every follower gets everything once and in order, and none waits for another."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from reservaestoque.streams import EventPage, Feed, Frame, InvalidPositionError, Position, PositionLostError, sse
from reservaestoque.streams.position import ORIGIN

PAGE = 50
LONG = 60.0


class Log:
    """A source in which every row has one change; purged rows are lost."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.purged = 0
        self.reads = 0
        self.fault: Exception | None = None

    def write(self, *keys: str) -> None:
        for key in keys:
            position = Position(len(self.frames) + 1, 1, 1)
            self.frames.append(Frame(position, key, sse.event("e", key.encode(), position)))

    async def newest(self) -> Position:
        return self.frames[-1].position if self.frames else ORIGIN

    async def check(self, position: Position) -> None:
        if self.purged and position.transaction <= self.purged:
            raise PositionLostError(str(position))

    async def read(self, after: Position) -> EventPage:
        self.reads += 1
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        await self.check(after)
        frames = self.frames[after.transaction : after.transaction + PAGE]
        return EventPage(frames, frames[-1].position if frames else after, len(frames) == PAGE)


class Reader:
    """A client: takes pieces of its stream and records them."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self.pieces = pieces
        self.text = b""
        self.ended = False

    @property
    def events(self) -> list[str]:
        return re.findall(r"data: (.*)\n", self.text.decode())

    @property
    def last_id(self) -> str:
        return re.findall(r"id: (.*)\n", self.text.decode())[-1]

    async def take(self) -> bytes:
        piece = await anext(self.pieces, b"")
        self.ended = piece == b""
        self.text += piece
        return piece

    async def until(self, events: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self.events) < events and not self.ended:
                await self.take()
        return self.events

    async def to_the_end(self) -> None:
        async with asyncio.timeout(10):
            while not self.ended:
                await self.take()


@asynccontextmanager
async def reading(feed: Feed, last_id: str = "", key: str | None = None) -> AsyncIterator[Reader]:
    pieces = feed.follow(await feed.begin(last_id), key)
    try:
        yield Reader(pieces)
    finally:
        await pieces.aclose()


async def live(feed: Feed, log: Log, *readers: Reader) -> None:
    """Returns when the readers have caught up and follow the feed."""
    for reader in readers:
        assert await reader.take() == sse.OPENING
        assert re.fullmatch(rb"id: .*\n\n", await reader.take()), "the starting position"
        while not (await reader.take()).endswith(sse.position(await log.newest())):
            pass


async def test_a_stream_without_an_id_begins_now():
    log = Log()
    log.write("old")
    feed = Feed(log, heartbeat=LONG)
    async with reading(feed) as reader:
        await live(feed, log, reader)
        assert (reader.events, reader.last_id) == ([], "1.1.1")
        log.write("new")
        asking = asyncio.create_task(reader.until(1))
        await asyncio.sleep(0)
        await feed.step()
        assert await asking == ["new"]


async def test_a_stream_with_an_id_resumes_after_it_page_by_page_and_then_goes_live():
    log = Log()
    log.write(*[f"{n}" for n in range(3 * PAGE)])
    feed = Feed(log, heartbeat=LONG)
    running = asyncio.create_task(feed.run())
    async with reading(feed, "10.1.1") as reader:
        await reader.until(3 * PAGE - 10)
        log.write("live")
        assert await reader.until(3 * PAGE - 9) == [*[f"{n}" for n in range(10, 3 * PAGE)], "live"]
    running.cancel()


async def test_each_row_is_read_once_for_all_followers():
    log = Log()
    feed = Feed(log, heartbeat=LONG)
    async with reading(feed) as one, reading(feed) as other, reading(feed) as third:
        for reader in (one, other, third):
            await live(feed, log, reader)
            asyncio.ensure_future(reader.take())  # noqa: RUF006 - waits for news, as a connected client does
        await asyncio.sleep(0)
        before = log.reads
        log.write("a", "b")
        await feed.step()
        assert log.reads == before + 1
        await asyncio.sleep(0.01)
        assert one.events == other.events == third.events == ["a", "b"]


async def test_nothing_is_read_without_followers():
    log = Log()
    feed = Feed(log, heartbeat=LONG)
    running = asyncio.create_task(feed.run())
    log.write("a")
    await asyncio.sleep(0.01)
    assert log.reads == 0
    async with reading(feed) as reader:
        await live(feed, log, reader)
        log.write("b")
        assert await reader.until(1) == ["b"]
    reads = log.reads
    await asyncio.sleep(0.5)  # more than twice the interval
    assert log.reads <= reads + 1
    running.cancel()


async def test_a_follower_of_one_key_gets_only_its_events_and_the_latest_position():
    log = Log()
    feed = Feed(log, heartbeat=0.02)
    running = asyncio.create_task(feed.run())
    async with reading(feed, key="ana") as reader:
        await live(feed, log, reader)
        log.write("ana", "bia", "ana", "bia", "bia")
        assert await reader.until(2) == ["ana", "ana"]
        async with asyncio.timeout(10):
            while reader.last_id != "5.1.1":
                await reader.take()
        assert sse.HEARTBEAT in reader.text, "the id arrived with a heartbeat"
    async with reading(feed, reader.last_id, key="ana") as reader:
        log.write("ana")
        assert await reader.until(1) == ["ana"]
    running.cancel()


async def test_a_slow_reader_is_cut_off_resumes_and_holds_up_no_others():
    log = Log()
    feed = Feed(log, buffer=10, heartbeat=LONG)
    async with reading(feed) as slow, reading(feed) as quick:
        await live(feed, log, slow, quick)
        only = asyncio.create_task(slow.take())  # the only piece that the slow one takes during this test
        for n in range(30):
            log.write(f"{n}")
            asking = asyncio.create_task(quick.take())
            await asyncio.sleep(0)
            await feed.step()
            await asking
        assert quick.events == [f"{n}" for n in range(30)]
        await only
        await slow.to_the_end()
        assert slow.events == ["0"]
        async with reading(feed, slow.last_id) as again:
            assert await again.until(29) == [f"{n}" for n in range(1, 30)]


async def test_one_large_batch_does_not_cut_off_a_reader_that_keeps_up():
    log = Log()
    feed = Feed(log, buffer=10, heartbeat=LONG)
    running = asyncio.create_task(feed.run())
    async with reading(feed) as reader:
        await live(feed, log, reader)
        log.write(*[f"{n}" for n in range(PAGE - 1)])
        assert len(await reader.until(PAGE - 1)) == PAGE - 1
    running.cancel()


async def test_a_follower_that_joins_between_reads_gets_nothing_twice():
    """A reader that is ahead of the feed: it came from another replica, or has just read the log."""
    log = Log()
    feed = Feed(log, heartbeat=LONG)
    async with reading(feed) as first:
        await live(feed, log, first)
        asyncio.ensure_future(first.take())  # noqa: RUF006
        await asyncio.sleep(0)
        log.write("a", "b")
        async with reading(feed, "1.1.1") as second:
            await live(feed, log, second)
            asking = asyncio.create_task(second.until(2))
            await asyncio.sleep(0)
            await feed.step()
            log.write("c")
            await feed.step()
            assert await asking == ["b", "c"]
        await asyncio.sleep(0.001)
        assert await first.until(3) == ["a", "b", "c"]


async def test_followers_that_leave_are_forgotten():
    log = Log()
    feed = Feed(log, heartbeat=LONG)
    async with reading(feed) as stays:
        await live(feed, log, stays)
        async with reading(feed, key="ana") as leaves:
            await live(feed, log, leaves)
            assert feed.followers == 2
            asking = asyncio.create_task(leaves.take())
            await asyncio.sleep(0)
            asking.cancel()  # as a client that disconnects
            await asyncio.gather(asking, return_exceptions=True)
            assert feed.followers == 1
    assert feed.followers == 0


async def test_streams_stay_open_during_a_database_outage_and_continue_afterwards():
    log = Log()
    feed = Feed(log, heartbeat=0.05)
    running = asyncio.create_task(feed.run())
    async with reading(feed) as reader:
        await live(feed, log, reader)
        log.fault = ConnectionRefusedError()
        log.write("a")
        while sse.HEARTBEAT not in reader.text:
            await reader.take()
        assert not reader.ended
        log.fault = None
        assert await reader.until(1) == ["a"]
    running.cancel()


async def test_a_follower_catching_up_during_a_database_outage_gets_heartbeats_and_then_continues():
    log = Log()
    log.write(*[f"{n}" for n in range(2 * PAGE)])
    feed = Feed(log, heartbeat=LONG)
    async with reading(feed, "1.1.1") as reader:
        await reader.until(PAGE)
        log.fault = ConnectionRefusedError()
        assert await reader.take() == sse.HEARTBEAT
        log.fault = None
        assert await reader.until(2 * PAGE - 1) == [f"{n}" for n in range(1, 2 * PAGE)]


async def test_a_feed_whose_position_was_purged_ends_its_streams():
    log = Log()
    log.write("a")
    feed = Feed(log, heartbeat=LONG)
    async with reading(feed) as reader:
        await live(feed, log, reader)
        asking = asyncio.create_task(reader.to_the_end())
        await asyncio.sleep(0)
        log.write("b", "c")
        log.purged = 2
        await feed.step()
        await asking
        with pytest.raises(PositionLostError):
            await feed.begin(reader.last_id)
    async with reading(feed) as reader:
        await live(feed, log, reader)
        asking = asyncio.create_task(reader.until(1))
        await asyncio.sleep(0)
        log.write("d")
        await feed.step()
        assert await asking == ["d"], "a reader that starts over is served"


async def test_a_follower_overtaken_by_the_purge_while_catching_up_is_ended():
    log = Log()
    log.write(*[f"{n}" for n in range(2 * PAGE)])
    feed = Feed(log, heartbeat=LONG)
    async with reading(feed, "1.1.1") as reader:
        await reader.until(PAGE)
        log.purged = PAGE + 5
        await reader.to_the_end()
        assert len(reader.events) == PAGE


async def test_closing_ends_streams_waiting_or_catching_up_and_those_opened_later():
    log = Log()
    log.write(*[f"{n}" for n in range(2 * PAGE)])
    feed = Feed(log, heartbeat=LONG)
    async with reading(feed) as waits, reading(feed, "1.1.1") as catches_up:
        await live(feed, log, waits)
        asking = asyncio.create_task(waits.to_the_end())
        await catches_up.until(PAGE)
        feed.close()
        await asking
        await catches_up.to_the_end()
        assert len(catches_up.events) == PAGE
    async with reading(feed) as late:
        await late.to_the_end()
        assert late.events == []


async def test_garbage_is_refused_as_an_id():
    with pytest.raises(InvalidPositionError):
        await Feed(Log()).begin("garbage")
