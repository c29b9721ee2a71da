"""Group commit: which commands share one, and when it begins. Nothing is written to a database."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from msgspec.structs import replace
from no_relay import NoRelay

from pedidos import group_commit
from pedidos.command import IdempotencyKey, KeyBusyError, NewCommand, creation
from pedidos.group_commit import Committed, GroupCommit, OverloadedError
from reservaestoque.events import Item, new_id


class Ledger(GroupCommit):
    """Records the size of each commit."""

    def __init__(self, max_batch: int = 10, max_waiting: int = 100) -> None:
        super().__init__(
            None,  # type: ignore[arg-type]
            NoRelay(),  # type: ignore[arg-type]
            max_batch=max_batch,
            max_waiting=max_waiting,
            resend_after=timedelta(seconds=1),
        )
        self.commits, self.at_fault = list[int](), None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def write(self, commands: Sequence[NewCommand]) -> list[Committed | Exception]:
        self.commits.append(len(commands))
        await self.go_on.wait()
        if self.at_fault in commands:
            raise ValueError("this one")
        return [Committed(command.id, command.pedido_id, None) for command in commands]


def new_command() -> NewCommand:
    return creation(new_id(), "00-0-0-01", "ana", [Item("A", 1)])


@asynccontextmanager
async def running(ledger: Ledger) -> AsyncIterator[Callable[[NewCommand], "asyncio.Task[Committed]"]]:
    loop = asyncio.create_task(ledger.run())
    yield lambda command: asyncio.create_task(ledger.submit(command))
    loop.cancel()


@pytest.fixture
def interval(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    return lambda seconds: monkeypatch.setattr(group_commit, "INTERVAL_SECONDS", seconds)


async def test_single_commands_are_committed_at_once(interval: Callable[[float], None]):
    interval(3600)
    async with asyncio.timeout(5), running(ledger := Ledger()) as submit:
        for _ in range(3):
            await submit(new_command())
    assert ledger.commits == [1, 1, 1]


async def test_commands_soon_after_a_commit_of_several_share_the_next_one(interval: Callable[[float], None]):
    interval(0.5)
    async with asyncio.timeout(5), running(ledger := Ledger()) as submit:
        await asyncio.gather(submit(new_command()), submit(new_command()))
        others = []
        for _ in range(3):
            others.append(submit(new_command()))
            await asyncio.sleep(0.01)
        await asyncio.gather(*others)
    assert ledger.commits == [2, 3]


async def test_commits_that_take_long_start_further_apart(
    interval: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
):
    interval(0)
    monkeypatch.setattr(group_commit, "LONGEST_INTERVAL_SECONDS", 0.5)
    monkeypatch.setattr(group_commit, "INTERVAL_FACTOR", 100)
    async with asyncio.timeout(5), running(ledger := Ledger()) as submit:
        await asyncio.gather(submit(new_command()), submit(new_command()))
        ledger.go_on.clear()
        slow = [submit(new_command()) for _ in range(3)]
        await asyncio.sleep(0.1)
        ledger.go_on.set()
        await asyncio.gather(*slow)
        await asyncio.gather(submit(new_command()), submit(new_command()))  # the interval counts from here
        others = []
        for _ in range(3):
            others.append(submit(new_command()))
            await asyncio.sleep(0.01)
        await asyncio.gather(*others)
    assert ledger.commits == [2, 3, 2, 3]


async def test_a_full_batch_does_not_wait(interval: Callable[[float], None]):
    interval(3600)
    async with asyncio.timeout(5), running(ledger := Ledger(max_batch=10)) as submit:
        await asyncio.gather(*(submit(new_command()) for _ in range(30)))
    assert ledger.commits == [10, 10, 10]


async def test_batches_of_one_are_never_paced(interval: Callable[[float], None]):
    interval(3600)
    async with asyncio.timeout(5), running(ledger := Ledger(max_batch=1)) as submit:
        await asyncio.gather(*(submit(new_command()) for _ in range(3)))
    assert ledger.commits == [1, 1, 1]


async def test_a_faulty_command_does_not_fail_the_others():
    ledger = Ledger()
    commands = [new_command() for _ in range(3)]
    ledger.at_fault = commands[1]
    async with asyncio.timeout(5), running(ledger) as submit:
        first, second, third = await asyncio.gather(*map(submit, commands), return_exceptions=True)
    assert (first.command_id, third.command_id) == (commands[0].id, commands[2].id)
    assert isinstance(second, ValueError)
    assert ledger.commits == [3, 1, 1, 1]


async def test_cancelled_callers_are_dropped():
    async with asyncio.timeout(5), running(ledger := Ledger()) as submit:
        lost, other = submit(new_command()), submit(new_command())
        await asyncio.sleep(0)
        lost.cancel()
        await other
    assert ledger.commits == [1]


async def test_commands_beyond_the_waiting_limit_are_refused():
    ledger = Ledger(max_waiting=2)
    waiting = [asyncio.ensure_future(ledger.submit(new_command())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="2 commands are already waiting"):
        await ledger.submit(new_command())
    for one in waiting:
        one.cancel()


async def test_a_commit_that_does_not_end_holds_up_no_caller(monkeypatch: pytest.MonkeyPatch):
    """All callers fail: those in it, those waiting for the next one, new ones. Then it works as before."""
    monkeypatch.setattr(group_commit, "COMMIT_SECONDS", 0.1)
    async with asyncio.timeout(5), running(ledger := Ledger()) as submit:
        ledger.go_on.clear()
        inside = submit(new_command())
        await asyncio.sleep(0.02)
        outside = submit(new_command())
        faults = await asyncio.gather(inside, outside, return_exceptions=True)
        assert [type(fault) for fault in faults] == [TimeoutError, TimeoutError]
        with pytest.raises(TimeoutError, match="a commit has not ended"):
            await submit(new_command())
        ledger.go_on.set()
        await asyncio.sleep(0.02)
        await submit(new_command())
    assert ledger.commits == [1, 1], "callers that failed before the commit began are in none"


async def test_each_commit_has_its_own_time_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(group_commit, "COMMIT_SECONDS", 0.2)
    async with asyncio.timeout(5), running(ledger := Ledger()) as submit:
        for _ in range(3):
            ledger.go_on.clear()
            one = submit(new_command())
            await asyncio.sleep(0.1)
            ledger.go_on.set()
            await one
    assert ledger.commits == [1, 1, 1]


class Contended(Ledger):
    """Another session holds what some commands need: their key, or a lock that makes the whole commit wait."""

    def __init__(self) -> None:
        super().__init__()
        self.held: set[str] = set()
        self.locked = False

    async def write(self, commands: Sequence[NewCommand]) -> list[Committed | Exception]:
        busy = [command.key is not None and command.key.value in self.held for command in commands]
        if self.locked and any(busy):
            raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout")
        written = await super().write([c for c, held in zip(commands, busy, strict=True) if not held])
        results = iter(written)
        return [KeyBusyError("busy") if held else next(results) for held in busy]


def keyed(key: str) -> NewCommand:
    return replace(new_command(), key=IdempotencyKey("ana", "/pedidos", key, b""))


@asynccontextmanager
async def contending(ledger: Contended) -> AsyncIterator[Callable[[NewCommand], "asyncio.Task[Committed]"]]:
    async with running(ledger) as submit:
        lane = asyncio.create_task(ledger.run_contended())
        yield submit
        lane.cancel()


@pytest.mark.parametrize("locked", [False, True], ids=["key busy", "lock timeout"])
async def test_a_command_whose_key_is_held_costs_the_others_nothing(locked: bool):
    ledger = Contended()
    ledger.held, ledger.locked = {"k"}, locked
    async with asyncio.timeout(5), contending(ledger) as submit:
        waiting, others = submit(keyed("k")), [submit(new_command()), submit(keyed("other")), submit(new_command())]
        await asyncio.gather(*others)
        assert not waiting.done()
        ledger.held = set()
        await waiting


async def test_lock_timeouts_do_not_add_up(monkeypatch: pytest.MonkeyPatch):
    """Each waiting command would cost the others a lock timeout."""
    monkeypatch.setattr(group_commit, "CONTENDED_SECONDS", 0.2)

    class Slow(Contended):
        async def write(self, commands: Sequence[NewCommand]) -> list[Committed | Exception]:
            await asyncio.sleep(0.1)
            return await super().write(commands)

    ledger = Slow()
    ledger.held, ledger.locked = {"k"}, True
    async with asyncio.timeout(2), contending(ledger) as submit:
        ends = await asyncio.gather(*[submit(keyed("k")) for _ in range(50)], return_exceptions=True)
    assert {type(end) for end in ends} == {KeyBusyError}


async def test_a_caller_that_waits_for_a_key_fails_in_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(group_commit, "CONTENDED_SECONDS", 0.2)
    ledger = Contended()
    ledger.held = {"k"}
    async with asyncio.timeout(5), contending(ledger) as submit:
        waiting = [submit(keyed("k")) for _ in range(20)]
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {KeyBusyError}


async def test_callers_that_wait_for_a_key_fail_when_the_database_is_unavailable():
    ledger = Contended()
    ledger.held = {"k"}
    async with asyncio.timeout(5), contending(ledger) as submit:
        waiting = [submit(keyed("k")) for _ in range(3)]
        await asyncio.sleep(0.05)

        async def unavailable(_: Sequence[NewCommand]) -> list[Committed | Exception]:
            raise ConnectionRefusedError

        ledger.write = unavailable  # type: ignore[method-assign]
        ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {ConnectionRefusedError}
