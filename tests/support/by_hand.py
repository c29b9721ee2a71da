"""Both services' handlers on their databases; the test delivers the messages that it chooses, when it chooses."""

from datetime import timedelta
from typing import Any

import asyncpg
from no_relay import NoRelay

from estoque.events import to_event as status_event
from estoque.handler import CommandHandler
from estoque.settings import EstoqueSettings
from pedidos.command import CommandType, NewCommand
from pedidos.events import to_event
from pedidos.group_commit import GroupCommit
from pedidos.handler import StatusHandler
from pedidos.resend import Resend
from pedidos.retention import RetentionPeriods, retention_jobs
from pedidos.settings import PedidosSettings
from reservaestoque.events import Item, new_id
from reservaestoque.postgres import Queries

Pool = asyncpg.Pool
CLOCK = "create or replace function agora() returns timestamptz language sql volatile as 'select clock_timestamp(){}'"
_ADDRESSES = {"database_url": "postgres://db", "amqp_url": "amqp://mq"}
_MINUTE = timedelta(minutes=1)


class Shop:
    """Both services' handlers on their databases, with default settings except for the reservation time."""

    def __init__(self, pedidos: "Pool[Any]", estoque: "Pool[Any]", ttl: timedelta) -> None:
        self.pedidos, self.estoque = pedidos, estoque
        self.settings = PedidosSettings(**_ADDRESSES, reserva_ttl=ttl)
        self.group_commit = GroupCommit(pedidos, NoRelay(), max_batch=9, max_waiting=9, resend_after=_MINUTE)
        horizon = EstoqueSettings(**_ADDRESSES, reserva_ttl=ttl).event_horizon
        self._to_estoque = CommandHandler(estoque, NoRelay(), ttl, horizon).handle
        self._to_pedidos = StatusHandler(pedidos, resend_after=self.settings.resend_after).handle

    async def wait(self, since_start: timedelta) -> None:
        for pool in (self.pedidos, self.estoque):
            await pool.execute(CLOCK.format(f" + interval ''{since_start.total_seconds()} s''"))

    async def order(self, tipo: CommandType, order_id: Any, itens: list[Item] | None = None) -> None:
        command_id = order_id if tipo == CommandType.CRIAR else new_id()
        await self.group_commit.write([NewCommand(command_id, order_id, tipo, "", "ana", itens)])

    async def commands_arrive(self) -> int:
        rows = await self.pedidos.fetch(Queries("pedidos")["take_outbox"], 9, [], 2**62, 1000, 0)
        assert await self._to_estoque([to_event(row) for row in rows]) == []
        return len(rows)

    async def answers_arrive(self) -> None:
        rows = await self.estoque.fetch(Queries("estoque")["take_outbox"], 9, [], 2**62, 1000, 0)
        assert await self._to_pedidos([status_event(row) for row in rows]) == []

    async def answers_are_lost(self) -> None:
        await self.estoque.execute("delete from outbox")

    async def resend(self) -> None:
        times = self.settings
        await Resend(
            self.pedidos, NoRelay(), after=times.resend_after, until=times.resend_horizon, horizon=times.event_horizon
        ).step()

    async def retain(self) -> None:
        times = self.settings
        kept = RetentionPeriods(
            times.idempotency_retention, times.abandoned_after, times.order_retention, times.change_retention
        )
        for step in retention_jobs(self.pedidos, self.group_commit, kept).values():
            await step()

    async def statuses(self) -> tuple[str, str]:
        """The status of the only order in pedidos, and in estoque."""
        query = "select status from pedido"
        return await self.pedidos.fetchval(query), await self.estoque.fetchval(query)
