"""Reads the table `mudanca`, a row for each statement that changed something, in an order that skips nothing.

Transactions commit in any order, so neither time nor a sequence says how far one has read. Rows are read by the id of
their transaction, and only those below the oldest one that still runs (``pg_snapshot_xmin``): whatever commits later
has a higher one. So a position names a row, and while that row is there, all that follow it are.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg

from reservaestoque.streams.position import ORIGIN, Position, PositionLostError


class ChangeLog:
    """`newest` selects `transacao`, `id` and `partes` of the last row that may be read; `page` up to $3 rows from
    the row ($1, $2) on, that one included, with `transacao` and `id`.

    `turns` bounds how many connections the streams of a process take from the pool. Methods raise what asyncpg
    raises.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", turns: asyncio.Semaphore, *, newest: str, page: str) -> None:
        self._pool = pool
        self._turns = turns
        self._newest = newest
        self._page = page

    async def newest(self) -> Position:
        """The position past all that may be read now."""
        async with self._turns:
            row = await self._pool.fetchrow(self._newest)
        return Position(row["transacao"], row["id"], row["partes"]) if row else ORIGIN

    async def page(self, after: Position, rows: int) -> Sequence[asyncpg.Record]:
        """Up to `rows` rows, two at least; the first one is that of `after`, of which changes may be left.

        Raises PositionLostError when that row is gone, or never was: others may be gone with it.
        """
        async with self._turns:
            found: Sequence[asyncpg.Record] = await self._pool.fetch(
                self._page, str(after.transaction), after.row, rows
            )
        if after != ORIGIN and not (found and (found[0]["transacao"], found[0]["id"]) == after[:2]):
            raise PositionLostError(f"there is no change {after}")
        return found
