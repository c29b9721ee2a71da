"""How a consumer handles a batch that fails, on a source in memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import pytest
from structlog.testing import capture_logs
from waiting import until

from reservaestoque.bus import Batches, Unprocessable
from reservaestoque.bus import batches as module
from reservaestoque.bus.batches import MAX_BLOCKED
from reservaestoque.events import CancelarPedido, Decoder, PedidoCancelado, encode_batches, new_id


@dataclass(frozen=True)
class Message:
    number: int
    body: bytes


@dataclass
class Memory:
    """A source that delivers the given messages and records the acknowledged ones."""

    queue: "asyncio.Queue[Message]" = field(default_factory=asyncio.Queue)
    acknowledged: list[int] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    put_back_messages: int = 0
    _delivered: int = 0

    def deliver(self, *events: CancelarPedido) -> None:
        [(_, body)] = encode_batches(events)
        self._delivered += 1
        self.queue.put_nowait(Message(self._delivered, body))

    async def wait(self, seconds: float | None) -> Message | None:
        try:
            async with asyncio.timeout(seconds):
                return await self.queue.get()
        except TimeoutError:
            return None

    def take(self) -> Message | None:
        return None if self.queue.empty() else self.queue.get_nowait()

    async def dead_letter(self, body: bytes, reason: str) -> None:
        self.dead.append(reason)

    async def put_back(self, kind: str, body: bytes) -> None:
        self._delivered += 1
        self.put_back_messages += 1
        self.queue.put_nowait(Message(self._delivered, body))

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        self.acknowledged += [message.number for message in messages]


@dataclass
class Database:
    """A handler for which another session holds the rows of the events `locked`."""

    locked: set[object] = field(default_factory=set)
    silent: set[object] = field(default_factory=set)
    too_many: int = 1000
    committed: list[CancelarPedido] = field(default_factory=list)
    waits: int = 0

    async def handle(self, events: Sequence[CancelarPedido]) -> Sequence[Unprocessable]:
        if (self.locked | self.silent) & {event.id for event in events}:
            self.waits += 1
            raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout")
        if len(events) > self.too_many:
            raise TimeoutError("the database did not answer within 5 s")
        self.committed += events
        return ()

    async def find_blocked(self, events: Sequence[CancelarPedido]) -> Collection[object]:
        return self.locked & {event.id for event in events}


def event() -> CancelarPedido:
    pedido = new_id()
    return CancelarPedido(
        id=new_id(), source="/t", subject=pedido, time=datetime.now(UTC), data=PedidoCancelado(pedido_id=pedido)
    )


@contextlib.asynccontextmanager
async def consuming(source: Memory, database: Database, *, max_events: int = 200) -> AsyncIterator[None]:
    decoder = Decoder[CancelarPedido](CancelarPedido)
    batches = Batches("t", decoder, database, max_events=max_events, pause=lambda _: asyncio.sleep(0))
    task = asyncio.create_task(batches.run(source))
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)


async def test_events_whose_row_is_locked_wait_and_the_others_do_not():
    source, database = Memory(), Database()
    stuck, *others = [event() for _ in range(6)]
    database.locked = {stuck.id}
    source.deliver(others[0], stuck, others[1])
    source.deliver(others[2])
    async with consuming(source, database):
        with capture_logs() as logs:
            await until(lambda: len(database.committed) == 3)
            await until(lambda: source.acknowledged == [2])
        assert next(log for log in logs if log["event"] == "events_blocked")["pedidos"] == [str(stuck.subject)]
        for other in others[3:]:
            source.deliver(other)
        await until(lambda: len(source.acknowledged) == 3)
        assert database.waits <= 3, "events known to be locked are seldom retried"
        database.locked = set()
        await until(lambda: 1 in source.acknowledged)
    assert sorted(database.committed, key=lambda e: e.id) == [stuck, *others]
    assert sorted(source.acknowledged) == [1, 2, 3, 4]
    assert source.dead == []


async def test_an_event_that_waits_twice_is_settled_once_its_row_is_free():
    source, database = Memory(), Database()
    stuck = event()
    database.locked = {stuck.id}
    async with consuming(source, database, max_events=1):
        source.deliver(stuck)
        await until(lambda: database.waits == 1, every=0.01)
        source.deliver(stuck)
        await until(source.queue.empty)
        database.locked = set()
        await until(lambda: sorted(source.acknowledged) == [1, 2])


async def test_a_row_found_locked_at_every_probe_is_still_waited_for():
    """Other replicas lock it in turn: a waiting session gets it."""
    source = Memory()

    class Busy(Database):
        async def handle(self, events: Sequence[CancelarPedido]) -> Sequence[Unprocessable]:
            if self.waits == 0:
                self.waits += 1
                raise asyncpg.LockNotAvailableError
            self.committed += events
            return ()

        async def find_blocked(self, events: Sequence[CancelarPedido]) -> Collection[object]:
            return {event.id for event in events}

    database = Busy()
    source.deliver(event(), event())
    async with consuming(source, database):
        await until(lambda: source.acknowledged == [1])
    assert len(database.committed) == 2


async def test_a_batch_takes_no_more_once_its_messages_are_large(monkeypatch: pytest.MonkeyPatch):
    source, taken = Memory(), list[int]()

    class Counting(Database):
        async def handle(self, events: Sequence[CancelarPedido]) -> Sequence[Unprocessable]:
            taken.append(len(events))
            return await super().handle(events)

    for _ in range(4):
        source.deliver(*(event() for _ in range(10)))
    monkeypatch.setattr(module, "BATCH_BYTES", len(source.queue._queue[0].body) + 1)  # type: ignore[attr-defined]
    async with consuming(source, Counting()):
        await until(lambda: len(source.acknowledged) == 4)
    assert taken == [20, 20]


async def test_many_waiting_messages_are_put_back_as_few():
    """A consumer receives a bounded number of messages, and others must still arrive."""
    source, database = Memory(), Database()
    stuck = [event() for _ in range(100)]
    database.locked = {one.id for one in stuck}
    async with consuming(source, database):
        for one in stuck:
            source.deliver(one)
            await asyncio.sleep(0)
        await until(lambda: len(source.acknowledged) > 100 - MAX_BLOCKED)
        assert source.put_back_messages < 20
        assert database.waits < 20, "new events are probed before they are tried"
        other = event()
        source.deliver(other)
        await until(lambda: database.committed == [other])
        database.locked = set()
        await until(lambda: len(database.committed) == 101)
        await until(lambda: len(source.acknowledged) == source._delivered)
    assert {one.id for one in database.committed} == {one.id for one in [*stuck, other]}


async def test_a_locked_row_that_is_invisible_is_found_by_halving_the_batch():
    """An order that another transaction has inserted and not committed is invisible."""
    source, database = Memory(), Database()
    events = [event() for _ in range(8)]
    database.silent = {events[3].id}
    source.deliver(*events)
    async with consuming(source, database):
        await until(lambda: len(database.committed) == 7)
        database.silent = set()
        await until(lambda: source.acknowledged == [1])
    assert sorted(database.committed, key=lambda e: e.id) == events
    assert source.dead == []


async def test_a_batch_too_large_for_its_time_limit_is_halved():
    source, database = Memory(), Database(too_many=3)
    events = [event() for _ in range(10)]
    source.deliver(*events)
    async with consuming(source, database):
        await until(lambda: source.acknowledged == [1])
    assert database.committed == events
