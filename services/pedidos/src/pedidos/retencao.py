"""What is kept how long: a job a table, which every replica runs in small steps that skip what others work on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from pedidos.comando import NovoComando, Tipo
from pedidos.registro import Registro
from reservaestoque.events import Status, new_id
from reservaestoque.periodic import Step
from reservaestoque.postgres import Queries
from reservaestoque.retention import Purge, Walk
from reservaestoque.telemetry import logger, trace

ABANDONED_STEP = 100

_sql = Queries("pedidos")
_log = logger(__name__)
_purged = Counter("pedidos_purged_rows_total", "Rows purged because their time was over", ["table"])
_abandoned = Counter("pedidos_abandoned_orders_total", "Orders cancelled because nobody came back to them")
_unheard = Counter(
    "pedidos_unheard_lapses_total", "Orders cancelled because no word came of the end of their reservation"
)


@dataclass(frozen=True)
class Prazos:
    """How long things are kept: idempotency keys with their commands, lapsed orders, ended orders, changes."""

    chaves: timedelta
    vencidos: timedelta
    encerrados: timedelta
    mudancas: timedelta


def retention_jobs(pool: "asyncpg.Pool[Any]", registro: Registro, prazos: Prazos) -> Mapping[str, Step]:
    """Jobs by name: they cancel orders that were abandoned, and forget what has been kept long enough."""

    def purge(table: str, statement: str, age: timedelta) -> Step:
        return Purge(Walk(pool, _sql[statement], clock=_sql["agora"], age=age), _purged.labels(table)).step

    def cancel(status: Status) -> Step:
        return AbandonedOrders(pool, registro, status, prazos.vencidos).step

    return {
        "purge idempotencia": purge("idempotencia", "purgar_chaves", prazos.chaves),
        "purge comando": purge("comando", "purgar_comandos", prazos.chaves),
        "purge mudanca": purge("mudanca", "purgar_mudancas", prazos.mudancas),
        "purge pedido": purge("pedido", "purgar_pedidos", prazos.encerrados),
        "cancel abandoned": cancel(Status.RESERVA_EXPIRADA),
        "cancel unheard lapses": cancel(Status.ESTOQUE_RESERVADO),
    }


class AbandonedOrders:
    """Cancels orders that say `status` although their reservation ended `age` ago.

    Nobody came back to one that is `ReservaExpirada`. Of one that still says `EstoqueReservado` no word came that it
    lapsed, however often it was asked. Either is cancelled by an ordinary command: estoque ends it, unless it has
    changed, and in any case answers with its present snapshot, so that the order is put right and may be forgotten.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", registro: Registro, status: Status, age: timedelta) -> None:
        self._registro = registro
        self._unheard = status == Status.ESTOQUE_RESERVADO
        self._walk = Walk(
            pool, _sql["abandonados"], clock=_sql["agora"], age=age, rows=ABANDONED_STEP, arguments=(status.value,)
        )

    async def step(self) -> bool:
        """One bounded step; whether there is more to do. Raises what asyncpg raises."""
        row, more = await self._walk.step()
        comandos = [
            NovoComando(new_id(), pedido_id, Tipo.CANCELAR, trace.continued(""), cliente_id, se_versao=versao)
            for pedido_id, cliente_id, versao in zip(
                row["ids"] or (), row["clientes"] or (), row["versoes"] or (), strict=True
            )
        ]
        if comandos:
            await self._registro.gravar(comandos)
            self._tell(len(comandos))
        return more

    def _tell(self, cancelled: int) -> None:
        _abandoned.inc(cancelled)
        if self._unheard:
            _unheard.inc(cancelled)
            _log.warning("unheard_lapses_cancelled", count=cancelled)
