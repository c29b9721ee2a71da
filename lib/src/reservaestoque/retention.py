"""Retention: a walk along an index that finds expired rows, in steps of constant cost."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
from prometheus_client import Counter

from reservaestoque.periodic import Pace, Periodic, Step

STEP_ROWS = 1000
CLOCK = "select agora()"
"""Reads the database's clock: each service's database has this function."""
LAP = timedelta(hours=1)
"""Interval at which a finished walk starts over, for rows that had to stay."""


class StepResult(NamedTuple):
    """The result of a step: the statement's row, and whether there is more to scan now."""

    row: asyncpg.Record
    more: bool


class Walk:
    """Scans rows older than `age`, at most `rows` of them per step, each step continuing after the last one.

    `statement` receives the instant before which rows are old enough, the number of rows, the key to begin after
    (null: the beginning) and `arguments`. It returns one row: `seen`, how many rows it scanned; `last`, the key of
    the last of them, null when there was none; and anything else its caller needs.

    So no step rescans rows that have to stay, or index entries of deleted rows that no vacuum has removed yet. Such
    scans would cost more with every step. Rows that had to stay are scanned again in the next lap.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        statement: str,
        *,
        age: timedelta,
        rows: int = STEP_ROWS,
        arguments: tuple[object, ...] = (),
    ) -> None:
        self._pool = pool
        self._statement = statement
        self._age = age
        self._rows = rows
        self._arguments = arguments
        self._last: object = None
        self._at_end = False
        self._lap_began: datetime | None = None

    async def step(self) -> StepResult:
        """Scans the next rows. Raises what asyncpg raises; the next step then begins where this one did."""
        now: datetime = await self._pool.fetchval(CLOCK)
        behind = self._last
        if self._lap_began is None:
            self._lap_began = now
        elif self._at_end and now - self._lap_began >= LAP:
            # Set before the attempt: if the beginning takes too long, the next step continues at the end.
            self._lap_began, behind = now, None
        row = await self._pool.fetchrow(self._statement, now - self._age, self._rows, behind, *self._arguments)
        self._at_end = row["seen"] < self._rows
        if row["last"] is not None:
            self._last = row["last"]
        return StepResult(row, not self._at_end)


class Purge:
    """Deletes rows that a walk reaches; its statement returns how many it has deleted (`purged`)."""

    def __init__(self, walk: Walk, purged: Counter) -> None:
        self._walk = walk
        self._purged = purged

    async def step(self) -> bool:
        """One bounded step; whether there is more to do. Raises what asyncpg raises."""
        row, more = await self._walk.step()
        self._purged.inc(row["purged"])
        return more


def taking_turns(jobs: Mapping[str, Step], *, every: timedelta, turn: asyncio.Lock | None = None) -> list[Periodic]:
    """These jobs by name, one step at a time among them, so that together they hold one connection.

    Jobs that share `turn` share that connection too. A failing job is deferred without delaying the others. Errors
    that are not transient are raised.
    """
    turn = turn or asyncio.Lock()
    pace = Pace(every=every)
    return [Periodic(step, name=name, pace=pace, turn=turn) for name, step in jobs.items()]
