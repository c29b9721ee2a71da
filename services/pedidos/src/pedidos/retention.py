"""Retention: a job per table, which every replica runs in small steps that skip rows in use by other replicas."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from prometheus_client import Counter

from pedidos.command import CommandType, NewCommand
from pedidos.group_commit import GroupCommit
from reservaestoque.events import Status, new_id
from reservaestoque.periodic import Step
from reservaestoque.postgres import Queries
from reservaestoque.retention import Purge, Walk
from reservaestoque.streams import old_changes
from reservaestoque.telemetry import first_ids, logger, trace
from reservaestoque.tickets import old_tickets

ABANDONED_STEP = 100

_sql = Queries("pedidos")
_log = logger(__name__)
_purged = Counter("pedidos_purged_rows_total", "Rows purged at the end of their retention", ["table"])
_abandoned = Counter("pedidos_abandoned_orders_total", "Orders cancelled because their customers never returned")
_unheard = Counter(
    "pedidos_unheard_lapses_total", "Orders cancelled because the notice of their reservation's lapse never arrived"
)


@dataclass(frozen=True)
class RetentionPeriods:
    """Retention periods of idempotency keys and their commands, of lapsed orders, of ended orders, and of changes."""

    keys: timedelta
    lapsed: timedelta
    ended: timedelta
    changes: timedelta


def retention_jobs(
    pool: "asyncpg.Pool[Any]", group_commit: GroupCommit, periods: RetentionPeriods
) -> Mapping[str, Step]:
    """Jobs by name: they cancel abandoned orders, and purge rows that have been kept long enough."""

    def purge(table: str, statement: str, age: timedelta) -> Step:
        return Purge(Walk(pool, _sql[statement], age=age), _purged.labels(table)).step

    def cancel(status: Status) -> Step:
        return AbandonedOrders(pool, group_commit, status, periods.lapsed).step

    changes = old_changes(pool, age=periods.changes)
    return {
        "purge idempotencia": purge("idempotencia", "purge_keys", periods.keys),
        "purge comando": purge("comando", "purge_comandos", periods.keys),
        "purge mudanca": Purge(changes, _purged.labels("mudanca")).step,
        "purge bilhete": Purge(old_tickets(pool), _purged.labels("bilhete")).step,
        "purge pedido": purge("pedido", "purge_pedidos", periods.ended),
        "cancel abandoned": cancel(Status.RESERVA_EXPIRADA),
        "cancel unheard lapses": cancel(Status.ESTOQUE_RESERVADO),
    }


class AbandonedOrders:
    """Cancels orders that still have `status` although their reservation ended `age` ago.

    The customer of one that is `ReservaExpirada` never returned. For one that is still `EstoqueReservado`, the expiry
    notice never arrived, despite all follow-ups. An ordinary command cancels both. estoque ends the order, unless it
    has changed, and answers with its current snapshot, which corrects the order: then it may be purged.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", group_commit: GroupCommit, status: Status, age: timedelta) -> None:
        self._group_commit = group_commit
        self._unheard = status == Status.ESTOQUE_RESERVADO
        self._walk = Walk(pool, _sql["abandoned"], age=age, rows=ABANDONED_STEP, arguments=(status.value,))

    async def step(self) -> bool:
        """One bounded step; whether there is more to do. Raises what asyncpg raises."""
        row, more = await self._walk.step()
        commands = [
            NewCommand(
                new_id(),
                pedido_id,
                CommandType.CANCELAR,
                trace.continued(""),
                cliente_id,
                se_versao=versao,
                known_version=versao,
            )
            for pedido_id, cliente_id, versao in zip(
                row["ids"] or (), row["clientes"] or (), row["versoes"] or (), strict=True
            )
        ]
        if commands:
            await self._group_commit.write(commands)
            self._log_cancelled([command.pedido_id for command in commands])
        return more

    def _log_cancelled(self, cancelled: list[UUID]) -> None:
        _abandoned.inc(len(cancelled))
        if self._unheard:
            _unheard.inc(len(cancelled))
            _log.warning("unheard_lapses_cancelled", count=len(cancelled), pedidos=first_ids(cancelled))
