"""Group commit: commands that arrive while a commit is under way share the next one, and are answered after it.

One command never makes the commit of the others fail: commands that need a lock held by another session move to a
separate lane.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from prometheus_client import Counter, Histogram

from pedidos import repository
from pedidos.command import KeyBusyError, KeyReusedError, NewCommand
from pedidos.events import events_of
from pedidos.repository import KeyOwner, Scope, Written
from reservaestoque.outbox import Relay
from reservaestoque.postgres import is_contended, is_transient
from reservaestoque.telemetry import logger, tracing
from reservaestoque.telemetry.load import count_refused

INTERVAL_SECONDS = 0.025
"""The shortest time between the starts of two group commits. A full batch does not wait for it, and a commit of a
single command delays none after it, so a single customer is not delayed. The cost of a batch hardly depends on its
size, here and downstream: more than about forty commits per second only make the batches smaller.
"""
LONGEST_INTERVAL_SECONDS = 0.04
INTERVAL_FACTOR = 3.0
"""Group commits start at intervals of this many times the usual duration of a commit, clamped to the shortest and the
longest interval. On a busy machine or a slow disk an order takes several such steps anyway, and larger batches need
less CPU time.
"""
_SMOOTHING = 0.2
"""The weight of the latest commit in the usual duration, a moving average."""

COMMIT_SECONDS = 5.0
"""Time limit of a commit. After that the database counts as unavailable though no connection has broken: a disk
that does not respond, a locked table. Waiting callers fail, and new ones fail at once until that commit ends.
"""

CONTENDED_SECONDS = 2.0
"""Time that a command waits for a lock held by another session, such as that of its Idempotency-Key."""
_CONTENDED_PAUSE = 0.05

_log = logger(__name__)
_contended = Counter("pedidos_contended_commands_total", "Commands that waited for a lock outside their batch")
_batch = Histogram("pedidos_batch_commands", "Commands per commit", buckets=(1, 2, 5, 10, 20, 50, 100, 200))


class OverloadedError(Exception):
    """Too many commands are waiting for a commit in this replica."""


class Committed(NamedTuple):
    """The command that was committed, or the earlier one that its key stands for.

    `criado_em` is set when the command created its order.
    """

    command_id: UUID
    pedido_id: UUID
    criado_em: datetime | None


_BUSY = "another request with this Idempotency-Key is still in progress"
_STUCK = f"a commit has not ended after {COMMIT_SECONDS:.0f} s"
_Waiting = tuple[NewCommand, "asyncio.Future[Committed]"]


class _Pacing:
    """Decides when the next commit may start, in seconds of the event loop's clock."""

    def __init__(self) -> None:
        self.not_before = 0.0
        self._started_at = 0.0
        self._usual_duration = 0.0

    def start(self, commands: int, now: float) -> None:
        """A commit of this many commands starts."""
        interval = max(INTERVAL_SECONDS, min(INTERVAL_FACTOR * self._usual_duration, LONGEST_INTERVAL_SECONDS))
        self.not_before = now + interval if commands > 1 else 0.0
        self._started_at = now

    def end(self, now: float) -> None:
        """The commit has ended."""
        self._usual_duration += _SMOOTHING * (now - self._started_at - self._usual_duration)


class GroupCommit:
    """Writes commands and new orders, up to `max_batch` per commit; accepts no more than `max_waiting` at a time."""

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        relay: Relay,
        *,
        max_batch: int,
        max_waiting: int,
        resend_after: timedelta,
    ) -> None:
        self._pool = pool
        self._relay = relay
        self._max_batch = max_batch
        self._resend_after = resend_after
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(max_waiting)
        self._contended: asyncio.Queue[tuple[_Waiting, float]] = asyncio.Queue(max_waiting)
        self._stuck = False

    async def submit(self, command: NewCommand) -> Committed:
        """Returns once the command is committed.

        Raises OverloadedError at once when too many are waiting, KeyReusedError, KeyBusyError, and TimeoutError or
        what asyncpg raises when the command was not, or may not have been, committed.
        """
        if self._stuck:
            raise TimeoutError(_STUCK)
        future: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((command, future))
        except asyncio.QueueFull:
            count_refused("commits")
            raise OverloadedError(f"{self._waiting.maxsize} commands are already waiting") from None
        with tracing.span("commit"):
            return await future

    async def run(self) -> None:
        """Commits what arrives until cancelled."""
        loop = asyncio.get_running_loop()
        pacing = _Pacing()
        while True:
            batch = [await self._waiting.get()]
            if self._waiting.qsize() < self._max_batch - 1:
                await asyncio.sleep(max(0.0, pacing.not_before - loop.time()))
            while len(batch) < self._max_batch and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            pacing.start(len(batch), loop.time())
            alarm = loop.call_later(COMMIT_SECONDS, self._give_up, batch)
            try:
                await self._commit(batch)
            finally:
                alarm.cancel()
                self._stuck = False
                pacing.end(loop.time())

    def _give_up(self, batch: Sequence[_Waiting]) -> None:
        """Fails the callers of the commit under way, whose outcome is unknown, and those waiting for the next one."""
        self._stuck = True
        callers = [*batch]
        while not self._waiting.empty():
            callers.append(self._waiting.get_nowait())
        pending = [future for _, future in callers if not future.done()]
        _log.warning("commit_takes_too_long", seconds=COMMIT_SECONDS, commands=len(pending))
        for future in pending:
            future.set_exception(TimeoutError(_STUCK))

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        # Callers cancelled while queued are dropped.
        batch = [(command, future) for command, future in batch if not future.done()]
        if not batch:
            return
        try:
            with tracing.span("group commit", links=[command.traceparent for command, _ in batch]):
                results = await self.write([command for command, _ in batch])
        except Exception as fault:
            keyed = [one for one in batch if one[0].key is not None]
            if is_contended(fault) and keyed:
                self._set_apart(keyed)
                await self._commit([one for one in batch if one[0].key is None])
                return
            if len(batch) > 1 and not is_transient(fault):
                for one in batch:  # one command is at fault: the others must not fail with it
                    await self._commit([one])
                return
            results = [fault] * len(batch)
        _batch.observe(len(batch))
        for one, result in zip(batch, results, strict=True):
            if isinstance(result, KeyBusyError):
                self._set_apart([one])
            else:
                _settle(one, result)

    def _set_apart(self, contended: Sequence[_Waiting]) -> None:
        """Moves commands that wait for a lock to their separate lane."""
        deadline = asyncio.get_running_loop().time() + CONTENDED_SECONDS
        _contended.inc(len(contended))
        for one in contended:
            self._await_lock(one, deadline)

    def _await_lock(self, one: _Waiting, deadline: float) -> None:
        try:
            self._contended.put_nowait((one, deadline))
        except asyncio.QueueFull:
            _settle(one, OverloadedError(f"{self._contended.maxsize} commands already wait for a lock"))

    async def run_contended(self) -> None:
        """Commits commands that wait for a lock, one at a time, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            one, deadline = await self._contended.get()
            if one[1].done():
                continue
            result: Committed | Exception = KeyBusyError(_BUSY)
            if loop.time() < deadline:  # each attempt may wait until the lock timeout
                result = await self._attempt(one[0])
            if isinstance(result, KeyBusyError) and loop.time() < deadline:
                self._await_lock(one, deadline)
                await asyncio.sleep(_CONTENDED_PAUSE / self._contended.qsize())
                continue
            _settle(one, result)
            if isinstance(result, Exception) and is_transient(result):
                self._fail_contended(result)  # the database is unavailable: the others would fail too

    async def _attempt(self, command: NewCommand) -> Committed | Exception:
        try:
            [result] = await self.write([command])
        except Exception as fault:
            return KeyBusyError(_BUSY) if is_contended(fault) else fault
        return result

    def _fail_contended(self, fault: Exception) -> None:
        while not self._contended.empty():
            one, _ = self._contended.get_nowait()
            _settle(one, fault)

    async def write(self, commands: Sequence[NewCommand]) -> list[Committed | Exception]:
        """Writes these commands in one commit, or none of them; returns the result of each, in order.

        The result is KeyBusyError for a command whose key another session is claiming: it is not written. Raises what
        asyncpg raises.
        """
        owners: Mapping[Scope, KeyOwner] = {}
        written: Written | None = None
        new = commands
        if not any(command.key for command in commands):  # a single statement is its own transaction
            written = await repository.insert(self._pool, commands, self._resend_after)
        else:
            async with self._pool.acquire() as connection, connection.transaction():
                owners = await repository.claim_keys(connection, commands)
                new = [command for command in commands if _is_new(command, owners)]
                if new:
                    written = await repository.insert(connection, new, self._resend_after)
        if written is not None:
            self._publish(new, written)
        return [_result(command, owners, written) for command in commands]

    def _publish(self, commands: Sequence[NewCommand], written: Written) -> None:
        """Hands the events of commands that have just been committed to the relay."""
        events = events_of(commands, written.criado_em)
        if events is None:
            self._relay.publish_row(written.outbox)
        else:
            self._relay.publish([written.outbox], events)


def _settle(one: _Waiting, result: Committed | Exception) -> None:
    _, future = one
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _is_new(command: NewCommand, owners: Mapping[Scope, KeyOwner]) -> bool:
    if command.key is None:
        return True
    owner = owners.get(command.key.scope)
    return owner is not None and owner.command_id == command.id


def _result(command: NewCommand, owners: Mapping[Scope, KeyOwner], written: Written | None) -> Committed | Exception:
    if command.key is None or _is_new(command, owners):
        created = written is not None and command.itens is not None
        return Committed(command.id, command.pedido_id, written.criado_em if written and created else None)
    owner = owners.get(command.key.scope)
    if owner is None:
        return KeyBusyError(_BUSY)
    if owner.body_hash != command.key.body_hash:
        return KeyReusedError()
    return Committed(owner.command_id, owner.pedido_id, None)
