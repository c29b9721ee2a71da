"""Retention: a job per table, which every replica runs in small steps that skip rows in use by other replicas."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from reservaestoque.periodic import Step
from reservaestoque.postgres import Queries
from reservaestoque.retention import Purge, Walk
from reservaestoque.streams import old_changes
from reservaestoque.tickets import old_tickets

_sql = Queries("estoque")
_purged = Counter("estoque_purged_rows_total", "Rows purged at the end of their retention", ["table"])


@dataclass(frozen=True)
class RetentionPeriods:
    """Retention periods of event ids in the inbox, of ended orders, and of changes."""

    inbox: timedelta
    ended: timedelta
    changes: timedelta


def retention_jobs(pool: "asyncpg.Pool[Any]", periods: RetentionPeriods) -> Mapping[str, Step]:
    """Jobs by name: they purge rows that have been kept long enough."""

    def purge(table: str, statement: str, age: timedelta) -> Step:
        return Purge(Walk(pool, _sql[statement], age=age), _purged.labels(table)).step

    return {
        "purge inbox": purge("inbox", "purge_inbox", periods.inbox),
        "purge pedido": purge("pedido", "purge_pedidos", periods.ended),
        "purge bilhete": Purge(old_tickets(pool), _purged.labels("bilhete")).step,
        "purge mudanca": Purge(old_changes(pool, age=periods.changes), _purged.labels("mudanca")).step,
    }
