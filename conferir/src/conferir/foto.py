"""Snapshots: what a database says at one instant, read without a write.

Snapshot locks conflict only with schema changes. A migration queued behind one blocks every later statement, so both
snapshots end as soon as another session waits for them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reservaestoque.postgres import Connection, Queries

_LOOK_EVERY = 0.5
"""Seconds. A migration waits two for a lock before it gives way itself."""

_sql = Queries("conferir")


class LockWantedError(Exception):
    """Another session waits for a lock of a snapshot: the snapshots have ended, and what was not read is unknown."""


class Foto(NamedTuple):
    """A snapshot, the database's clock just after it was taken, and the server's process behind it."""

    connection: Connection
    agora: datetime
    pid: int


class Bancos(NamedTuple):
    """The pools of the two databases."""

    pedidos: "asyncpg.Pool[Any]"
    estoque: "asyncpg.Pool[Any]"


class Fotos(NamedTuple):
    """A snapshot of each database, that of pedidos first: whatever it has heard, the other one then has said."""

    pedidos: Foto
    estoque: Foto


@asynccontextmanager
async def fotografar(banco: "asyncpg.Pool[Any] | Connection") -> AsyncIterator[Foto]:
    """A snapshot (a read-only transaction) of a pool's database, or on a connection.

    A connection that is in a transaction is taken as it is. Raises what asyncpg raises.
    """
    async with AsyncExitStack() as pilha:
        pool = isinstance(banco, asyncpg.Pool)
        connection: Connection = await pilha.enter_async_context(banco.acquire()) if pool else banco
        if not connection.is_in_transaction():
            await pilha.enter_async_context(connection.transaction(isolation="repeatable_read", readonly=True))
        row = await connection.fetchrow(_sql["agora"])
        yield Foto(connection, row["agora"], row["pid"])


@asynccontextmanager
async def fotografar_ambos(bancos: Bancos) -> AsyncIterator[Fotos]:
    """A snapshot of pedidos, then one of estoque; each takes a second connection now and then.

    Raises LockWantedError within a second when another session waits for a lock of theirs, even in the middle of
    a statement, and what asyncpg raises.
    """
    async with (
        _giving_way() as watch,
        fotografar(bancos.pedidos) as pedidos,
        watch(bancos.pedidos, pedidos.pid),
        fotografar(bancos.estoque) as estoque,
        watch(bancos.estoque, estoque.pid),
    ):
        yield Fotos(pedidos, estoque)


Watch = Callable[["asyncpg.Pool[Any]", int], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def _giving_way() -> AsyncIterator[Watch]:
    """Ends its body when one of its watches sees a waiting session, or fails, and raises the cause."""
    why: list[Exception] = []
    try:
        async with asyncio.timeout(None) as scope:

            async def look(banco: "asyncpg.Pool[Any]", pid: int) -> None:
                try:
                    await _until_wanted(banco, pid)
                    why.append(LockWantedError())
                except Exception as fault:
                    why.append(fault)
                scope.reschedule(asyncio.get_running_loop().time())

            @asynccontextmanager
            async def watch(banco: "asyncpg.Pool[Any]", pid: int) -> AsyncIterator[None]:
                watcher = asyncio.create_task(look(banco, pid))
                try:
                    yield
                finally:
                    watcher.cancel()
                    await asyncio.wait([watcher])

            yield watch
    except TimeoutError:
        if scope.expired():
            raise why[0] from None
        raise


async def _until_wanted(banco: "asyncpg.Pool[Any]", pid: int) -> None:
    while True:
        await asyncio.sleep(_LOOK_EVERY)
        if await banco.fetchval(_sql["lock_wanted"], pid):
            return
