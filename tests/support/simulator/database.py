"""A party's replacement for a connection pool: the same calls, each of which is a step that may fail."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import asyncpg
from asyncpg import ConnectionDoesNotExistError, LockNotAvailableError, QueryCanceledError

from simulator.world import Crash, LockWait, OpenTransaction, Party, ViolationError

_PATIENCE = 0.005

Connections = Callable[[str, str], Awaitable[asyncpg.Connection]]
"""Returns the connection of a party, by its name, to a database."""
AfterCommit = Callable[[Party, str], Awaitable[None]]


class PartyDatabase:
    """A party's access to a database (`name`), on a real connection of its own."""

    def __init__(self, party: Party, name: str, connections: Connections, after: AfterCommit) -> None:
        self._party = party
        self._name = name
        self._connections = connections
        self._after = after

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["PartyConnection"]:
        """A connection; a broken one stays broken, and the next one works."""
        real = await self._connections(self._party.name, self._name)
        yield PartyConnection(self._party, self._name, real, self._after)

    async def execute(self, sql: str, *args: Any) -> str:
        return await self._alone("execute", sql, args)

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        return await self._alone("fetch", sql, args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        return await self._alone("fetchrow", sql, args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._alone("fetchval", sql, args)

    async def _alone(self, method: str, sql: str, args: tuple[Any, ...]) -> Any:
        async with self.acquire() as connection:
            return await getattr(connection, method)(sql, *args)


class PartyConnection:
    """A connection with the interface of asyncpg's."""

    def __init__(self, party: Party, name: str, real: asyncpg.Connection, after: AfterCommit) -> None:
        self._party = party
        self._name = name
        self._real = real
        self._after = after
        self._broken = False
        self._open = False
        self._explicit = False

    @asynccontextmanager
    async def transaction(self, *, implicit: bool = False) -> AsyncIterator[None]:
        """A transaction. A crash or a lost connection before its commit undoes it; after the commit it does not.

        The end of one begins the next, which saves a round trip.
        """
        if not self._real.is_in_transaction():
            await self._real.execute("begin")
        self._open, self._explicit = True, not implicit
        try:
            yield
            if not implicit:
                await self._step("commit")
        except ViolationError:
            raise  # it ends the seed, and a deadlock is found in the middle of a statement
        except BaseException:
            await self._end("rollback")
            raise
        finally:
            self._open = False
        await self._end("commit")
        await self._after(self._party, self._name)
        # The commit is done; only the answer may be lost now.
        await self._step("committed")

    async def execute(self, sql: str, *args: Any) -> str:
        return await self._call(sql, self._real.execute, args)

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        return await self._call(sql, self._real.fetch, args)

    async def fetchrow(self, sql: str, *args: Any) -> asyncpg.Record | None:
        return await self._call(sql, self._real.fetchrow, args)

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._call(sql, self._real.fetchval, args)

    async def _call(self, sql: str, method: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> Any:
        if not self._open:  # the statement is its own transaction
            async with self.transaction(implicit=True):
                return await self._call(sql, method, args)
        await self._step(_summary(sql))
        response = await self._execute(method(sql, *args))
        if self._explicit:
            self._party.transaction = OpenTransaction(self._name, self._real.get_server_pid())
        return response

    async def _end(self, how: str) -> None:
        self._party.transaction = None
        await self._real.execute(f"{how} and chain")
        self._party.world.ended[self._name] += 1

    async def _step(self, name: str) -> None:
        if self._broken:
            raise ConnectionDoesNotExistError("connection was closed in the middle of operation")
        try:
            await self._party.turn(f"{self._name} {name}")
        except (Crash, ConnectionDoesNotExistError):
            self._broken = True
            raise

    async def _execute(self, call: Awaitable[Any]) -> Any:
        """Runs a statement; while it waits for a lock, the other parties move."""
        party, world = self._party, self._party.world
        task = asyncio.ensure_future(call)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # even if it is never awaited
        party.instant = world.now
        await asyncio.wait({task}, timeout=_PATIENCE)
        if not task.done():
            party.waiting_for_lock = wait = LockWait(task, self._name, self._real.get_server_pid())
            try:
                waited = await self._await_lock(wait)
            finally:
                party.waiting_for_lock = None
            if waited:
                party.instant = world.now
                await party.turn("goes on", danger=False)
            if wait.gave_up and isinstance(task.exception(), QueryCanceledError):
                raise LockNotAvailableError("canceling statement due to lock timeout")
        return await task

    async def _await_lock(self, wait: LockWait) -> bool:
        """Returns when the statement has ended, and whether it waited for a lock rather than just being slow.

        Only one party at a time waits in a database, because PostgreSQL would let either of two proceed first.
        """
        world = self._party.world
        while not wait.task.done() and not await world.blocked_by(wait):
            await asyncio.wait({wait.task}, timeout=_PATIENCE)
        if wait.task.done():
            return False
        another = world.lock_waiter(self._name, excluding=self._party)
        if another is None:
            world.note(f"{self._party.name}: … waits for a lock")
            world.seen["lock waited for"] += 1
            self._party.stop()
        elif wait.pid in await world.blocked_by(another) and another.pid in await world.blocked_by(wait):
            raise ViolationError(f"{self._party.name} met a deadlock")
        else:
            await world.give_up(self._party)
        await asyncio.wait({wait.task})
        return True


@cache
def _summary(sql: str) -> str:
    """The line of a statement that gives its purpose."""
    first = sql.strip().splitlines()[0]
    return first.removeprefix("-- ")[:70]
