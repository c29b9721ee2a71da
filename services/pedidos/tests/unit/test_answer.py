"""A waiting customer is answered by the notification, or by a last read that takes no longer than its time limit."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from pedidos import answer
from pedidos.answer import Answers
from pedidos.command import NewCommand, creation
from pedidos.group_commit import Committed
from pedidos.reads import Outcome
from pedidos.waiters import Waiters
from reservaestoque.events import Item, Status, new_id

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
WAIT = 0.05  # seconds; customers wait for whole ones


class FakeReads:
    """The outcome of a command, as `read` returns it; counts the reads."""

    def __init__(self, read: Callable[[], Awaitable[Outcome | None]]) -> None:
        self._read = read
        self.times = 0

    async def outcome(self, _: UUID) -> Outcome | None:
        self.times += 1
        return await self._read()


class FakeCommit:
    """Commits every command; `after` it, something happens."""

    def __init__(self, after: Callable[[], None] = lambda: None) -> None:
        self._after = after

    async def submit(self, command: NewCommand) -> Committed:
        self._after()
        return Committed(command.id, command.pedido_id, NOW)


@pytest.fixture
def command() -> NewCommand:
    return creation(new_id(), "", "ana", [Item("A", 1)], None)


@pytest.fixture
def waiters() -> Waiters:
    return Waiters(None, None)


async def never() -> Outcome | None:
    raise AssertionError("nothing needs to be read")


async def test_a_notification_answers_without_a_read(command: NewCommand, waiters: Waiters):
    snapshot = [str(command.id), None, "EstoqueReservado", 1, [], NOW.isoformat(), NOW.isoformat()]
    notification = json.dumps([[str(command.pedido_id), snapshot]])
    commit = FakeCommit(lambda: waiters._notified(None, 0, "", notification))
    outcome = await Answers(FakeReads(never), commit, waiters).submit(command, None, 30)
    assert (outcome.answered, outcome.pedido.status) == (True, Status.ESTOQUE_RESERVADO)
    assert waiters._subscriptions == {}


@pytest.mark.parametrize("fault", ["hangs", "fails"])
async def test_a_last_read_that_hangs_or_fails_does_not_hide_the_order(
    command: NewCommand, waiters: Waiters, fault: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(answer, "FINAL_READ_SECONDS", WAIT)

    async def read() -> Outcome | None:
        if fault == "fails":
            raise ConnectionResetError
        await asyncio.Event().wait()
        return None

    reads = FakeReads(read)
    async with asyncio.timeout(10):
        outcome = await Answers(reads, FakeCommit(), waiters).submit(command, None, WAIT)
    assert (outcome.answered, outcome.pedido.status, outcome.pedido.pedido_id) == (
        False,
        Status.CRIADO,
        command.pedido_id,
    )
    assert reads.times == 1
    assert waiters._subscriptions == {}


async def test_a_bug_in_a_read_is_not_hidden(command: NewCommand, waiters: Waiters):
    async def read() -> Outcome | None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Answers(FakeReads(read), FakeCommit(), waiters).submit(command, None, WAIT)
    assert waiters._subscriptions == {}
