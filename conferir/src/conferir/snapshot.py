"""Snapshots: read-only views of a database at one instant.

Snapshot locks conflict only with schema changes. A migration queued behind one blocks every later statement, so both
snapshots end as soon as another session waits for one of their locks.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reservaestoque.postgres import Connection, Queries

_POLL_SECONDS = 0.5
"""Seconds between checks. A migration waits two seconds for a lock before it backs off itself."""

_sql = Queries("conferir")


class LockWantedError(Exception):
    """Another session waits for a lock of a snapshot: the snapshots have ended, the remaining rows are unchecked."""


class Snapshot(NamedTuple):
    """A snapshot, the database's clock just after it was taken, and the pid of its backend."""

    connection: Connection
    now: datetime
    pid: int


class Databases(NamedTuple):
    """The pools of the two databases."""

    pedidos: "asyncpg.Pool[Any]"
    estoque: "asyncpg.Pool[Any]"


class Snapshots(NamedTuple):
    """A snapshot of each database, pedidos first: that of estoque then contains everything pedidos has received."""

    pedidos: Snapshot
    estoque: Snapshot


@asynccontextmanager
async def take_snapshot(database: "asyncpg.Pool[Any] | Connection") -> AsyncIterator[Snapshot]:
    """A snapshot (a repeatable-read transaction) of a pool's database, or on a connection.

    On a connection that is in a transaction it uses that transaction. Raises what asyncpg raises.
    """
    async with AsyncExitStack() as stack:
        pool = isinstance(database, asyncpg.Pool)
        connection: Connection = await stack.enter_async_context(database.acquire()) if pool else database
        if not connection.is_in_transaction():
            await stack.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        row = await connection.fetchrow(_sql["now"])
        yield Snapshot(connection, row["now"], row["pid"])


@asynccontextmanager
async def take_snapshots(databases: Databases) -> AsyncIterator[Snapshots]:
    """A snapshot of pedidos, then one of estoque; each briefly uses a second connection to watch its locks.

    Raises LockWantedError within a second when another session waits for a lock of the snapshots, even in the middle
    of a statement, and what asyncpg raises.
    """
    async with (
        _giving_way() as watch,
        take_snapshot(databases.pedidos) as pedidos,
        watch(databases.pedidos, pedidos.pid),
        take_snapshot(databases.estoque) as estoque,
        watch(databases.estoque, estoque.pid),
    ):
        yield Snapshots(pedidos, estoque)


Watch = Callable[["asyncpg.Pool[Any]", int], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _giving_way() -> AsyncIterator[Watch]:
    """Cancels its body when one of its watches finds a waiting session, or fails; then raises the cause."""
    causes: list[Exception] = []
    try:
        async with asyncio.timeout(None) as scope:

            async def poll(database: "asyncpg.Pool[Any]", pid: int) -> None:
                try:
                    await _wait_until_lock_wanted(database, pid)
                    causes.append(LockWantedError())
                except Exception as fault:
                    causes.append(fault)
                scope.reschedule(asyncio.get_running_loop().time())

            @asynccontextmanager
            async def watch(database: "asyncpg.Pool[Any]", pid: int) -> AsyncIterator[None]:
                watcher = asyncio.create_task(poll(database, pid))
                try:
                    yield
                finally:
                    watcher.cancel()
                    await asyncio.wait([watcher])

            yield watch
    except TimeoutError:
        if scope.expired():
            raise causes[0] from None
        raise


async def _wait_until_lock_wanted(database: "asyncpg.Pool[Any]", pid: int) -> None:
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        if await database.fetchval(_sql["lock_wanted"], pid):
            return
