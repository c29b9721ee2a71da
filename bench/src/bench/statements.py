"""The SQL statements that take most of PostgreSQL's time, from pg_stat_statements."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from bench.shop import Shop
from bench.tables import to_markdown

Statement = tuple[str, dict[str, Any]]
"""A database, and a row of `statements.sql` from it."""

_DATABASES = ("pedidos", "estoque")
_WIDTH = 90


def enable(shop: Shop) -> None:
    """Turns on pg_stat_statements, which restarts both servers."""
    for database in _DATABASES:
        shop.psql(database, "alter system set shared_preload_libraries = 'pg_stat_statements';")
        shop.system.restart(f"postgres-{database}")
        shop.psql(database, "create extension if not exists pg_stat_statements;")
        shop.psql(database, "alter system set pg_stat_statements.track_planning = on;")
        shop.psql(database, "select pg_reload_conf();")


@contextmanager
def counting(shop: Shop, counted: list[Statement]) -> Iterator[None]:
    """Fills `counted` with the statements executed in the block."""
    for database in _DATABASES:
        shop.psql(database, "do 'begin perform pg_stat_statements_reset(); end';")
    yield
    counted[:] = [
        (database, json.loads(line))
        for database in _DATABASES
        for line in shop.sql(database, "statements").splitlines()
    ]


def statements_table(counted: Sequence[Statement], decided: float) -> str:
    """One row per statement: calls, planning and execution time per call, and time per order."""
    rows = [_row(database, statement, decided) for database, statement in counted]
    return to_markdown([("statement", "calls", "ms planning", "ms execution", "ms per order"), *rows])


def _row(database: str, statement: dict[str, Any], decided: float) -> Sequence[str]:
    planning, ms, calls = statement["planning_ms"], statement["ms"], statement["calls"]
    name = f"{database}: {statement['statement']}"[:_WIDTH]
    return (
        name,
        f"{calls:,}",
        f"{planning / calls:.2f}",
        f"{ms / calls:.2f}",
        f"{(planning + ms) / decided:.3f}",
    )
