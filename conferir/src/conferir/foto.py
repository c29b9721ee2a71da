"""Snapshots: what a database says at one instant, read without a lock and without a write."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reservaestoque.postgres import Connection, Queries

_sql = Queries("conferir")


class Foto(NamedTuple):
    """A snapshot, and the database's clock just after it was taken."""

    connection: Connection
    agora: datetime


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
        yield Foto(connection, await connection.fetchval(_sql["agora"]))


@asynccontextmanager
async def fotografar_ambos(bancos: Bancos) -> AsyncIterator[Fotos]:
    """A snapshot of pedidos, then one of estoque. Raises what asyncpg raises."""
    async with fotografar(bancos.pedidos) as pedidos, fotografar(bancos.estoque) as estoque:
        yield Fotos(pedidos, estoque)
