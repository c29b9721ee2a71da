"""Reads the table `mudanca`, a row for each statement that changed something, in an order that skips nothing.

Transactions commit in any order, so neither a time nor a sequence can mark how far a reader has come. Rows are read
by the id of their transaction, and only those below the oldest one still running (``pg_snapshot_xmin``): one that
commits later has a higher id. So a position names a row, and while that row exists, so do all that follow it.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg

from reservaestoque.postgres import Queries
from reservaestoque.retention import Walk
from reservaestoque.streams.position import ORIGIN, Position, PositionLostError

_sql = Queries("reservaestoque.streams")


class ChangeLog:
    """The log of a service. Methods raise what asyncpg raises.

    The services' rows differ, and so do two of the statements. `newest` selects `transacao`, `id` and `parts` of the
    last row that may be read. `page` selects up to $4 changes after the first $3 of the row ($1, $2), each with the
    `transacao` and `id` of its row and its number there, `parte`. For a row without changes, and for the first row
    when all of its changes are known, `parte` is null.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", *, newest: str, page: str) -> None:
        self._pool = pool
        self._newest = newest
        self._check = _sql["check_position"]
        self._page = page

    async def newest(self) -> Position:
        """The position past everything that may be read now."""
        row = await self._pool.fetchrow(self._newest)
        return Position(row["transacao"], row["id"], row["parts"]) if row else ORIGIN

    async def check(self, position: Position) -> None:
        """Raises PositionLostError when the row of `position` is gone, or never existed: others may be gone too."""
        if not await self._pool.fetchval(self._check, str(position.transaction), position.row):
            raise _lost(position)

    async def page(self, after: Position, changes: int) -> Sequence[asyncpg.Record]:
        """Up to `changes` changes after `after`, but two at least. Raises PositionLostError as `check` does."""
        found: Sequence[asyncpg.Record] = await self._pool.fetch(
            self._page, str(after.transaction), after.row, after.part, changes
        )
        if after != ORIGIN and not (found and (found[0]["transacao"], found[0]["id"]) == after[:2]):
            raise _lost(after)
        return found


def old_changes(pool: "asyncpg.Pool[Any]", *, age: timedelta) -> Walk:
    """The walk that purges changes older than `age`."""
    return Walk(pool, _sql["purge_changes"], age=age)


def reached(row: asyncpg.Record) -> Position:
    """The position that a page's change reaches."""
    return Position(row["transacao"], row["id"], row["parte"] or 0)


def _lost(position: Position) -> PositionLostError:
    return PositionLostError(f"there is no change {position}")
