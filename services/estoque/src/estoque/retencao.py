"""What is kept how long: a job a table, which every replica runs in small steps that skip what others work on."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from reservaestoque.periodic import Step
from reservaestoque.postgres import Queries
from reservaestoque.retention import Purge, Walk
from reservaestoque.streams import old_changes

_sql = Queries("estoque")
_purged = Counter("estoque_purged_rows_total", "Rows purged because their time was over", ["table"])


def retention_jobs(
    pool: "asyncpg.Pool[Any]", *, inbox: timedelta, pedidos: timedelta, mudancas: timedelta
) -> Mapping[str, Step]:
    """Jobs by name: they forget event ids after `inbox`, ended orders after `pedidos`, changes after `mudancas`."""

    def purge(table: str, statement: str, age: timedelta) -> Step:
        return Purge(Walk(pool, _sql[statement], clock=_sql["agora"], age=age), _purged.labels(table)).step

    return {
        "purge inbox": purge("inbox", "purgar_inbox", inbox),
        "purge pedido": purge("pedido", "purgar_pedidos", pedidos),
        "purge mudanca": Purge(old_changes(pool, clock=_sql["agora"], age=mudancas), _purged.labels("mudanca")).step,
    }
