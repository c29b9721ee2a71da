"""Checks estoque's ledger, slice by slice."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import asyncpg

from conferir.ledger_rules import Line, Sku, check_pedido, check_sku, lacks_lines
from conferir.pedido import Pedido
from conferir.slice import FIRST_ID, LAST_ID, K, Slice
from conferir.snapshot import Snapshot, take_snapshot
from conferir.violation import Violation
from reservaestoque.postgres import Connection, Queries

SLICE_ROWS = 5000

_sql = Queries("conferir")


async def violations(database: "asyncpg.Pool[Any] | Connection", limit: int = SLICE_ROWS) -> list[Violation]:
    """All violations in the ledger, from one snapshot. Keeps at most `limit` rows in memory.

    On a connection that is in a transaction it reads within that transaction. Raises what asyncpg raises.
    """
    async with take_snapshot(database) as snapshot:
        return [
            *await _all_slices(lambda after: sku_slice(snapshot, after, limit), ""),
            *await _all_slices(lambda after: pedido_slice(snapshot, after, limit), FIRST_ID),
        ]


async def _all_slices(read: Callable[[K], Awaitable[Slice[K]]], start: K) -> list[Violation]:
    found: list[Violation] = []
    after: K | None = start
    while after is not None:
        chunk = await read(after)
        found += chunk.violations
        after = chunk.last_key
    return found


async def sku_slice(estoque: Snapshot, after: str, limit: int) -> Slice[str]:
    """Checks the stock rows after a SKU against their lines. Raises what asyncpg raises."""
    rows = await estoque.connection.fetch(_sql["skus"], after, limit)
    found = [violation for row in rows for violation in check_sku(Sku(*row))]
    return Slice(len(rows), rows[-1]["sku"] if len(rows) == limit else None, found)


async def pedido_slice(estoque: Snapshot, after: UUID, limit: int) -> Slice[UUID]:
    """Checks estoque's orders after an id against their lines, orphaned lines included.

    Raises what asyncpg raises.
    """
    rows = await estoque.connection.fetch(_sql["pedidos_in_estoque"], after, limit)
    last_key: UUID | None = rows[-1]["id"] if len(rows) == limit else None
    lines = await estoque.connection.fetch(_sql["lines"], after, last_key or LAST_ID)
    by_pedido = {key: list(group) for key, group in groupby((Line(*r) for r in lines), lambda r: r.pedido_id)}
    pedidos: dict[UUID, Pedido | None] = {**dict.fromkeys(by_pedido), **{row["id"]: Pedido(*row) for row in rows}}
    found: list[Violation] = []
    for key, pedido in pedidos.items():
        own = by_pedido.get(key, ())
        now = estoque.now
        if pedido is not None and lacks_lines(pedido, own, now):
            now = await _sku_clock(estoque, pedido)
        found += check_pedido(key, pedido, own, now)
    return Slice(len(rows), last_key, found)


async def _sku_clock(estoque: Snapshot, pedido: Pedido) -> datetime:
    """The snapshot's clock, but no earlier than the last change of the order's SKUs: the clock may step back."""
    now: datetime = await estoque.connection.fetchval(_sql["sku_clock"], pedido.itens, estoque.now)
    return now
