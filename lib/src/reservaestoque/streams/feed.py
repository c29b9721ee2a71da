"""A feed reads changes once per process and hands them to all followers, each at its own pace.

Nothing is read while there are no followers. A reader too slow for the buffer is cut off. It reconnects with its last
event id and reads the log in bounded pages until it has caught up, so no reader waits for another one.

A page is released once it is sent, so a stream holds at most one page, and an idle one none. A variable that outlives
its use would keep a page for hours: hence the `del` statements.
"""

import asyncio
import contextlib
import weakref
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import accumulate
from typing import NamedTuple, Protocol

from prometheus_client import Counter

from reservaestoque.backoff import back_off
from reservaestoque.periodic import Pace, Periodic
from reservaestoque.postgres import is_transient
from reservaestoque.streams import sse
from reservaestoque.streams.position import Position, PositionLostError
from reservaestoque.telemetry import logger

PAGE_BYTES = 32 * 1024
"""Maximum text of the events that a source reads at once: each slow reader holds this much, plus its connection."""

STREAM_CONNECTIONS = 2
BUFFER_EVENTS = 10_000  # a few seconds of a busy day, for all readers together
HEARTBEAT_SECONDS = 15.0
READ_EVERY = timedelta(milliseconds=200)
LONGEST_PAUSE_SECONDS = 2.0

_log = logger(__name__)
_cut = Counter("streams_cut_total", "Streams ended because their readers were too slow")


class Frame(NamedTuple):
    """An event as it is sent; a reader at `position` has received it. `key` selects its readers."""

    position: Position
    key: str | None
    data: bytes


class EventPage(NamedTuple):
    """Events in order, at most PAGE_BYTES, which bring a reader to `position`. `more` when more may follow."""

    frames: Sequence[Frame]
    position: Position
    more: bool


class Source(Protocol):
    """The source of a feed, read on one connection at a time. All methods raise what asyncpg raises."""

    async def newest(self) -> Position:
        """The position past everything that may be read now."""

    async def check(self, position: Position) -> None:
        """Raises PositionLostError if no reader can resume from there."""

    async def read(self, after: Position) -> EventPage:
        """The events after a position, at most PAGE_BYTES. Raises PositionLostError."""


async def woken(signal: asyncio.Event, seconds: float) -> bool:
    """Waits for `signal` and clears it; False when it is not set within `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await signal.wait()
        signal.clear()
        return True
    return False


def fitting(sizes: Iterable[int]) -> int:
    """The number of the first events, given their sizes in bytes, that make a page; at least one, if there is one."""
    return max(1, bisect_right(list(accumulate(sizes)), PAGE_BYTES))


class _Chunk:
    """Consecutive events, joined once for all their readers, until they are dropped for being too old."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self._data = b"".join(frame.data for frame in frames)
        self.position = frames[-1].position
        self.dropped = False

    def after(self, position: Position) -> bytes:
        if self._frames[0].position > position:
            return self._data
        return b"".join(frame.data for frame in self._frames if frame.position > position)

    def drop(self) -> None:
        self._frames, self._data = (), b""
        self.dropped = True


class _Recent:
    """The newest chunks, up to `limit` events: a reader that still needs older ones has lost them.

    All readers share one limit, or a thousand of them that follow different keys would hold a thousand times as much.
    It keeps no chunk alive: once every reader has taken a chunk, it is freed.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._chunks: deque[tuple[weakref.ref[_Chunk], int]] = deque()
        self._events = 0

    def add(self, chunk: _Chunk, events: int) -> None:
        """Drops what is too old now; never the newest chunk, which the source bounds."""
        while self._chunks and self._events + events > self._limit:
            reference, dropped = self._chunks.popleft()
            self._events -= dropped
            if old := reference():
                old.drop()
        self._chunks.append((weakref.ref(chunk), events))
        self._events += events


class _Follower:
    """The progress of one reader, and the chunks still to be sent to it."""

    def __init__(self, position: Position, key: str | None) -> None:
        self.position = position
        self.key = key
        self.behind = True
        self.signal = asyncio.Event()
        self.closed = False
        self.cut = False
        self._chunks: deque[_Chunk] = deque()

    @property
    def ended(self) -> bool:
        return self.closed or self.cut

    @property
    def waiting(self) -> bool:
        return bool(self._chunks)

    def offer(self, chunk: _Chunk) -> None:
        self._check_cut()
        if not self.cut:
            self._chunks.append(chunk)
        self.signal.set()

    def take(self) -> bytes:
        """The next events; none if they are not known yet or are lost. In the latter case the reader is cut off."""
        self._check_cut()
        if self.cut:
            return b""
        chunk = self._chunks.popleft()
        piece = chunk.after(self.position)
        self.position = max(self.position, chunk.position)
        return piece

    def forget(self) -> None:
        self._chunks.clear()
        self.cut = False

    def _check_cut(self) -> None:
        if self._chunks and self._chunks[0].dropped:
            self.forget()
            self.cut = True

    def close(self) -> None:
        self.closed = True
        self.signal.set()


class Feed:
    """Follows `source` for everyone in this process; `run` it.

    `buffer` is how many events may wait for slow readers, `heartbeat` how many seconds a stream may be silent. At
    most two reads are in flight at once, so a thousand streams that reconnect together leave connections of the pool
    for everyone else, and at most two pages are being built.
    """

    def __init__(self, source: Source, *, buffer: int = BUFFER_EVENTS, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._source = source
        self._turns = asyncio.Semaphore(STREAM_CONNECTIONS)
        self._recent = _Recent(buffer)
        self._heartbeat = heartbeat
        self._followers: dict[str | None, set[_Follower]] = {}
        self._position: Position | None = None
        self._wanted = asyncio.Event()
        self._closed = False

    @property
    def followers(self) -> int:
        """The number of current followers."""
        return sum(len(followers) for followers in self._followers.values())

    def close(self) -> None:
        """Ends all streams because the program is stopping."""
        self._closed = True
        self._close_all()

    async def run(self) -> None:
        """Reads every 200 ms while there are followers, until cancelled, through database outages."""
        pace = Pace(every=READ_EVERY, longest=LONGEST_PAUSE_SECONDS)
        await Periodic(self.step, name="feed", pace=pace).run()

    async def step(self) -> bool:
        """Waits for a follower, then reads new changes and hands them on; returns whether there are more.

        Raises what asyncpg raises; the next call continues from the same position.
        """
        await self._wanted.wait()
        start = self._position
        if start is None:
            return False
        try:
            page = await self._next(start)
        except PositionLostError:
            _log.warning("feed_position_lost", position=str(start))
            self._close_all()  # clients that reconnect learn that their position is lost
            return False
        if self._position != start:
            return True  # all followers have left in the meantime, and a new one has arrived
        self._position = page.position
        self._distribute(page.frames)
        return page.more

    async def begin(self, *last_event_ids: str) -> Position:
        """The position where a stream begins: after the first non-empty id, which must still exist; without one, now.

        Raises InvalidPositionError, PositionLostError, or what asyncpg raises.
        """
        positions = [Position.parse(text) for text in last_event_ids if text]
        async with self._turns:
            if not positions:
                return await self._source.newest()
            await self._source.check(positions[0])
            return positions[0]

    async def follow(self, position: Position, key: str | None = None) -> AsyncGenerator[bytes, None]:
        """The text of a stream after `position`: the events with that key, or all when it is None."""
        yield sse.OPENING
        with contextlib.suppress(PositionLostError), self._following(position, key) as follower:
            yield sse.position(position)
            while follower.behind and not follower.closed:
                yield await self._page(follower)
            async with contextlib.aclosing(self._live(follower)) as pieces:
                async for piece in pieces:
                    yield piece
                    del piece

    async def _page(self, follower: _Follower) -> bytes:
        """The next events from the log; a heartbeat while the database is unavailable."""
        follower.forget()
        # The read sees everything handed on before it begins, so from here on nothing can be missed.
        page = await self._read(follower.position)
        if page is None:
            return sse.HEARTBEAT
        follower.position, follower.behind = page.position, page.more
        return _render(page, follower.key)

    async def _live(self, follower: _Follower) -> AsyncGenerator[bytes, None]:
        self._start(follower.position)
        while not follower.ended:
            if follower.waiting:
                if piece := follower.take():
                    yield piece
                del piece
            elif not await woken(follower.signal, self._heartbeat) and not follower.waiting:
                # Everything for this reader has been sent: it need not scan the rest again.
                follower.position = max(follower.position, self._position or follower.position)
                yield sse.HEARTBEAT + sse.position(follower.position)
        if follower.cut:
            _cut.inc()

    async def _next(self, after: Position) -> EventPage:
        async with self._turns:
            return await self._source.read(after)

    async def _read(self, after: Position) -> EventPage | None:
        """The result of `read`; None, after a short wait, when the database is unavailable."""
        try:
            async with asyncio.timeout(self._heartbeat):
                return await self._next(after)
        except Exception as fault:
            if not is_transient(fault):
                raise
            await back_off(4)
            return None

    @contextlib.contextmanager
    def _following(self, position: Position, key: str | None) -> Iterator[_Follower]:
        follower = _Follower(position, key)
        if self._closed:
            follower.close()
        self._followers.setdefault(key, set()).add(follower)
        try:
            yield follower
        finally:
            self._followers[key].discard(follower)
            if not self._followers[key]:
                del self._followers[key]
            if not self._followers:
                self._position = None
                self._wanted.clear()

    def _start(self, position: Position) -> None:
        if self._position is None:
            self._position = position
            self._wanted.set()

    def _distribute(self, frames: Sequence[Frame]) -> None:
        by_key: dict[str | None, list[Frame]] = defaultdict(list)
        for frame in frames:
            if frame.key in self._followers and frame.key is not None:
                by_key[frame.key].append(frame)
        if frames and None in self._followers:
            by_key[None] = list(frames)
        for key, chosen in by_key.items():
            chunk = _Chunk(chosen)
            self._recent.add(chunk, len(chosen))
            for follower in self._followers[key]:
                follower.offer(chunk)

    def _close_all(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.close()


def _render(page: EventPage, key: str | None) -> bytes:
    frames = [frame.data for frame in page.frames if key in (None, frame.key)]
    return b"".join([*frames, sse.position(page.position)])
