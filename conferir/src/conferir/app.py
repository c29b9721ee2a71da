"""Wiring of the one-shot and the continuous audit."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg

from conferir import full_audit
from conferir.agreement_rules import Criteria
from conferir.full_audit import Result
from conferir.rounds import Rounds
from conferir.settings import ConferirSettings
from conferir.snapshot import Databases, LockWantedError
from conferir.violation import Violation
from reservaestoque.periodic import Pace, Periodic
from reservaestoque.postgres import Connector, ServerWatch, open_pool, reachable
from reservaestoque.program import Health, Program

POOL_CONNECTIONS = 3
"""Per database: the snapshot, the check for sessions that wait for its locks, readiness."""
CONNECTIONS = POOL_CONNECTIONS + 1
"""One more for the watch. The charts rely on it."""
_ONCE_STATEMENT_TIMEOUT = timedelta(minutes=10)
_REST_FACTOR = 9.0
"""Rest nine times as long as a step took: summing a SKU with a million lines takes a second."""
_STEP_STATEMENT_TIMEOUT = timedelta(seconds=30)


async def once(
    settings: ConferirSettings,
    on_violation: Callable[[Violation], None],
    on_restart: Callable[[int], None],
    *,
    at_rest: bool,
) -> Result:
    """Audits everything once, calling back on each violation and on each restart.

    Raises what asyncpg raises when a database cannot be read.
    """
    async with _open(settings, _ONCE_STATEMENT_TIMEOUT) as databases:
        return await full_audit.audit(
            databases,
            _criteria(settings, at_rest=at_rest),
            settings.grace.total_seconds(),
            on_violation,
            on_restart=on_restart,
        )


async def continuously(settings: ConferirSettings) -> None:
    """Audits in small steps until SIGTERM; serves health and metrics over HTTP."""
    async with _open(settings, _STEP_STATEMENT_TIMEOUT) as databases:
        rounds = Rounds(
            databases,
            _criteria(settings),
            grace=settings.grace,
            recent=settings.recent,
            limit=settings.slice_rows,
        )
        pace = Pace(every=settings.step_interval, rest=_REST_FACTOR)
        job = Periodic(rounds.step, name="conferir", pace=pace, transient=(LockWantedError,))
        urls = {"pedidos": settings.pedidos_database_url, "estoque": settings.estoque_database_url}
        pools = {"pedidos": databases.pedidos, "estoque": databases.estoque}
        watches = {
            f"{name} database": ServerWatch(Connector(url, standby=True), pools[name], program="conferir").run
            for name, url in urls.items()
        }

        async def missing() -> list[str]:
            return [
                f"the database of {name} does not answer" for name, pool in pools.items() if not await reachable(pool)
            ]

        tasks = {"conferir": job.run, **watches}
        await Program(Health(missing), tasks, host=settings.host, metrics_port=settings.metrics_port).run()


def _criteria(settings: ConferirSettings, *, at_rest: bool = False) -> Criteria:
    return Criteria(settings.shortest_retention, settings.delivery_limit, at_rest)


@asynccontextmanager
async def _open(settings: ConferirSettings, statement_timeout: timedelta) -> AsyncIterator[Databases]:
    async def pool(url: str) -> "asyncpg.Pool[Any]":
        seconds = statement_timeout.total_seconds()
        return await open_pool(
            url, program="conferir", size=POOL_CONNECTIONS, statement_seconds=seconds, read_only=True
        )

    async with (
        await pool(settings.pedidos_database_url) as pedidos,
        await pool(settings.estoque_database_url) as estoque,
    ):
        yield Databases(pedidos, estoque)
