"""Metrics of reservations that hold, lapse soon, or have lapsed but are not swept yet."""

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Gauge

from reservaestoque.periodic import Pace, Periodic
from reservaestoque.postgres import Queries

EVERY = timedelta(seconds=5)
MAX_COUNT = 10_000
"""The maximum number of reservations counted per state."""

_sql = Queries("estoque")
_reservations = Gauge(
    "estoque_reservations",
    f"Reservations that hold (live), lapse within a minute (lapsing), lapsed unswept (lapsed); up to {MAX_COUNT}",
    ["state"],
)


class Census:
    """Counts reservations every few seconds. All replicas report the same figures."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool

    def job(self, turn: asyncio.Lock) -> Periodic:
        """The counting job, which takes turns with others."""
        return Periodic(self._step, name="census", pace=Pace(every=EVERY), turn=turn)

    async def _step(self) -> bool:
        row = await self._pool.fetchrow(_sql["count_reservas"], MAX_COUNT)
        for state in ("live", "lapsing", "lapsed"):
            _reservations.labels(state).set(row[state])
        return False
