"""What is kept how long: a job that every replica runs in small steps, each skipping what another one works on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from pedidos.comando import NovoComando, Tipo
from pedidos.registro import Registro
from reservaestoque.events import new_id
from reservaestoque.postgres import Queries
from reservaestoque.telemetry import trace

STEP_ROWS = 1000
ABANDONED_STEP = 100

_sql = Queries("pedidos")
_purged = Counter("pedidos_purged_rows_total", "Rows purged because their time was over", ["table"])
_abandoned = Counter("pedidos_abandoned_orders_total", "Orders cancelled because nobody came back to them")


@dataclass(frozen=True)
class Prazos:
    """How long things are kept: idempotency keys with their commands, lapsed orders, ended orders, changes."""

    chaves: timedelta
    vencidos: timedelta
    encerrados: timedelta
    mudancas: timedelta


class Retencao:
    """Cancels orders that were abandoned, and forgets what has been kept long enough."""

    def __init__(self, pool: "asyncpg.Pool[Any]", registro: Registro, prazos: Prazos) -> None:
        self._pool = pool
        self._registro = registro
        self._prazos = prazos

    async def passo(self) -> bool:
        """One bounded step; whether there is more to do. Raises what asyncpg raises."""
        agora: datetime = await self._pool.fetchval(_sql["agora"])
        prazos = self._prazos
        purgados = [
            await self._purgar("idempotencia", "purgar_chaves", agora - prazos.chaves),
            await self._purgar("comando", "purgar_comandos", agora - prazos.chaves),
            await self._purgar("mudanca", "purgar_mudancas", agora - prazos.mudancas),
            await self._purgar("pedido", "purgar_pedidos", agora - prazos.encerrados),
        ]
        abandonados = await self._cancelar_abandonados(agora - prazos.vencidos)
        return STEP_ROWS in purgados or abandonados == ABANDONED_STEP

    async def _purgar(self, tabela: str, consulta: str, antes: datetime) -> int:
        rows = await self._pool.fetch(_sql[consulta], antes, STEP_ROWS)
        _purged.labels(tabela).inc(len(rows))
        return len(rows)

    async def _cancelar_abandonados(self, antes: datetime) -> int:
        """By an ordinary command: estoque ends them, unless they are renewed just now, and both may forget them."""
        rows = await self._pool.fetch(_sql["abandonados"], antes, ABANDONED_STEP)
        comandos = [
            NovoComando(
                new_id(),
                row["id"],
                Tipo.CANCELAR,
                trace.continued(""),
                row["cliente_id"],
                se_versao=row["versao"],
            )
            for row in rows
        ]
        if comandos:
            await self._registro.gravar(comandos)
            _abandoned.inc(len(comandos))
        return len(comandos)
