"""What is kept how long: a job that every replica runs in small steps, each skipping what another one works on."""

from datetime import datetime, timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from reservaestoque.postgres import Queries

STEP_ROWS = 1000

_sql = Queries("estoque")
_purged = Counter("estoque_purged_rows_total", "Rows purged because their time was over", ["table"])


class Retencao:
    """Forgets event ids after `inbox`, ended orders after `pedidos` and changes after `mudancas`."""

    def __init__(
        self, pool: "asyncpg.Pool[Any]", *, inbox: timedelta, pedidos: timedelta, mudancas: timedelta
    ) -> None:
        self._pool = pool
        self._inbox = inbox
        self._pedidos = pedidos
        self._mudancas = mudancas

    async def passo(self) -> bool:
        """One bounded step; whether there is more to do. Raises what asyncpg raises."""
        agora: datetime = await self._pool.fetchval(_sql["agora"])
        ids = await self._pool.fetch(_sql["purgar_inbox"], agora - self._inbox, STEP_ROWS)
        pedidos: int = await self._pool.fetchval(_sql["purgar_pedidos"], agora - self._pedidos, STEP_ROWS)
        mudancas = await self._pool.fetch(_sql["purgar_mudancas"], agora - self._mudancas, STEP_ROWS)
        _purged.labels("inbox").inc(len(ids))
        _purged.labels("pedido").inc(pedidos)
        _purged.labels("mudanca").inc(len(mudancas))
        return max(len(ids), pedidos, len(mudancas)) == STEP_ROWS
