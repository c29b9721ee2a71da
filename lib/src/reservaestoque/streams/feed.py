"""A feed: what changes is read once a process and handed to all who follow, each at its own pace.

While nobody follows nothing is read. Who is too slow for the buffer is cut off and comes back by its last event id:
then it reads the log by itself, in bounded pages, until it has caught up. So no reader waits for another one.
"""

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple, Protocol

from prometheus_client import Counter

from reservaestoque.backoff import back_off
from reservaestoque.periodic import Periodic
from reservaestoque.postgres import is_transient
from reservaestoque.streams import sse
from reservaestoque.streams.position import Position, PositionLostError
from reservaestoque.telemetry import logger

BUFFER_EVENTS = 10_000  # a few seconds of a busy day; those who follow the same share their bytes
HEARTBEAT_SECONDS = 15.0
READ_EVERY = timedelta(milliseconds=200)
LONGEST_PAUSE_SECONDS = 2.0

_log = logger(__name__)
_cut = Counter("streams_cut_total", "Streams that were ended because their readers were too slow")


class Frame(NamedTuple):
    """An event as it is sent; who has come to `position` has it. `key` says to whom it matters."""

    position: Position
    key: str | None
    data: bytes


class Batch(NamedTuple):
    """Events in order; with them one has come to `position`. `more` when there were more than fit."""

    frames: Sequence[Frame]
    position: Position
    more: bool


class Source(Protocol):
    """Where a feed reads. Both methods raise what asyncpg raises."""

    async def newest(self) -> Position:
        """The position past all that may be read now."""

    async def read(self, after: Position) -> Batch:
        """What comes after a position, a bounded number. Raises PositionLostError."""


async def woken(signal: asyncio.Event, seconds: float) -> bool:
    """Waits for `signal` and clears it; False when it did not come within `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await signal.wait()
        signal.clear()
        return True
    return False


class _Chunk:
    """Consecutive events, joined once for all who get them."""

    def __init__(self, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self._data = b"".join(frame.data for frame in frames)
        self.position = frames[-1].position

    def __len__(self) -> int:
        return len(self._frames)

    def after(self, position: Position) -> bytes:
        if self._frames[0].position > position:
            return self._data
        return b"".join(frame.data for frame in self._frames if frame.position > position)


class _Follower:
    """What one reader still has to be told."""

    def __init__(self, buffer: int) -> None:
        self.signal = asyncio.Event()
        self.closed = False
        self.cut = False
        self._buffer = buffer
        self._chunks: deque[_Chunk] = deque()
        self._events = 0

    @property
    def ended(self) -> bool:
        return self.closed or self.cut

    @property
    def waiting(self) -> bool:
        return bool(self._chunks)

    def offer(self, chunk: _Chunk) -> None:
        """Buffers it. An empty buffer takes a chunk of any size, which the source bounds."""
        if self._chunks and self._events + len(chunk) > self._buffer:
            self.forget()
            self.cut = True
        if not self.cut:
            self._chunks.append(chunk)
            self._events += len(chunk)
        self.signal.set()

    def take(self) -> _Chunk | None:
        if not self._chunks:
            return None
        chunk = self._chunks.popleft()
        self._events -= len(chunk)
        return chunk

    def forget(self) -> None:
        self._chunks.clear()
        self._events = 0
        self.cut = False

    def close(self) -> None:
        self.closed = True
        self.signal.set()


class Feed:
    """Follows `source` for everyone in this process; `run` it.

    `buffer` is how many events may wait for a slow reader, `heartbeat` how many seconds a stream may be silent.
    """

    def __init__(self, source: Source, *, buffer: int = BUFFER_EVENTS, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._source = source
        self._buffer = buffer
        self._heartbeat = heartbeat
        self._followers: dict[str | None, set[_Follower]] = {}
        self._position: Position | None = None
        self._wanted = asyncio.Event()
        self._closed = False

    @property
    def followers(self) -> int:
        """How many streams follow now."""
        return sum(len(followers) for followers in self._followers.values())

    def close(self) -> None:
        """Ends all streams: the program stops."""
        self._closed = True
        self._close_all()

    async def run(self) -> None:
        """Reads every 200 ms while somebody follows, until cancelled, whatever the database does meanwhile."""
        await Periodic(
            self.step, name="feed", every=READ_EVERY, is_transient=is_transient, longest=LONGEST_PAUSE_SECONDS
        ).run()

    async def step(self) -> bool:
        """Waits until somebody follows, then reads what is new and hands it on; whether there is more.

        Raises what asyncpg raises; the next call goes on from the same position.
        """
        await self._wanted.wait()
        asked = self._position
        if asked is None:
            return False
        try:
            batch = await self._source.read(asked)
        except PositionLostError:
            _log.warning("feed_position_lost", position=str(asked))
            self._close_all()  # those who come back are told
            return False
        if self._position != asked:
            return True  # everyone has left meanwhile, and somebody else has come
        self._position = batch.position
        self._hand_on(batch.frames)
        return batch.more

    async def begin(self, last_event_id: str) -> Batch:
        """What a stream begins with: what came after that id; nothing, from now on, when it is empty.

        Raises InvalidPositionError, PositionLostError, or what asyncpg raises.
        """
        if not last_event_id:
            return Batch([], await self._source.newest(), False)
        return await self._source.read(Position.parse(last_event_id))

    async def follow(self, first: Batch, key: str | None = None) -> AsyncGenerator[bytes, None]:
        """The text of a stream that begins with `first`, of the events with that key, or of all when it is None."""
        yield sse.OPENING
        with contextlib.suppress(PositionLostError), self._following(key) as follower:
            yield _told(first, key)
            position, behind = first.position, True
            while behind and not follower.closed:
                follower.forget()
                # It sees all that was handed on before it begins: from then on nothing can be missed.
                batch = await self._read(position)
                if batch is None:
                    yield sse.HEARTBEAT
                else:
                    position, behind = batch.position, batch.more
                    yield _told(batch, key)
            async with contextlib.aclosing(self._live(follower, position)) as pieces:
                async for piece in pieces:
                    yield piece

    async def _live(self, follower: _Follower, position: Position) -> AsyncGenerator[bytes, None]:
        self._start(position)
        while not follower.ended:
            chunk = follower.take()
            if chunk is not None:
                if piece := chunk.after(position):
                    yield piece
                position = max(position, chunk.position)
            elif not await woken(follower.signal, self._heartbeat) and not follower.waiting:
                # All that was for this one has been sent: it need not look at the rest again.
                position = max(position, self._position or position)
                yield sse.HEARTBEAT + sse.position(position)
        if follower.cut:
            _cut.inc()

    async def _read(self, after: Position) -> Batch | None:
        """None when the database is away; then it has waited a little."""
        try:
            async with asyncio.timeout(self._heartbeat):
                return await self._source.read(after)
        except Exception as fault:
            if not is_transient(fault):
                raise
            await back_off(4)
            return None

    @contextlib.contextmanager
    def _following(self, key: str | None) -> Iterator[_Follower]:
        follower = _Follower(self._buffer)
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

    def _hand_on(self, frames: Sequence[Frame]) -> None:
        by_key: dict[str | None, list[Frame]] = defaultdict(list)
        for frame in frames:
            if frame.key in self._followers and frame.key is not None:
                by_key[frame.key].append(frame)
        if frames and None in self._followers:
            by_key[None] = list(frames)
        for key, chosen in by_key.items():
            chunk = _Chunk(chosen)
            for follower in self._followers[key]:
                follower.offer(chunk)

    def _close_all(self) -> None:
        for followers in self._followers.values():
            for follower in followers:
                follower.close()


def _told(batch: Batch, key: str | None) -> bytes:
    frames = [frame.data for frame in batch.frames if key in (None, frame.key)]
    return b"".join([*frames, sse.position(batch.position)])
