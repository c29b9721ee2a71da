"""Word of the end of a three-day reservation is lost, in a shop that waits for a boleto: the order heals."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY

from estoque.consumer import CommandConsumer
from estoque.events import to_event as status_event
from estoque.settings import EstoqueSettings
from pedidos.command import CommandType, NewCommand
from pedidos.consumer import StatusConsumer as PedidosConsumer
from pedidos.events import to_event
from pedidos.group_commit import GroupCommit
from pedidos.resend import Resend
from pedidos.retention import RetentionPeriods, retention_jobs
from pedidos.settings import PedidosSettings
from reservaestoque.events import Item, new_id
from reservaestoque.postgres import Queries

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
TTL = timedelta(hours=72)
MINUTE = timedelta(minutes=1)
ADDRESSES = {"database_url": "postgres://db", "amqp_url": "amqp://mq"}
CLOCK = "create or replace function agora() returns timestamptz language sql volatile as 'select clock_timestamp(){}'"


class NoRelay:
    def wake(self) -> None: ...


class Shop:
    """Both services' handlers on their databases, with default settings but for the time to pay; a bus by hand."""

    def __init__(self, pedidos: "Pool[Any]", estoque: "Pool[Any]") -> None:
        self.pedidos, self.estoque = pedidos, estoque
        self.settings = PedidosSettings(**ADDRESSES, reserva_ttl=TTL)
        self.registro = GroupCommit(pedidos, NoRelay(), max_batch=9, max_waiting=9, resend_after=MINUTE)
        horizon = EstoqueSettings(**ADDRESSES, reserva_ttl=TTL).event_horizon
        self._to_estoque = CommandConsumer(estoque, NoRelay(), TTL, horizon).handle
        self._to_pedidos = PedidosConsumer(pedidos, ask_after=self.settings.resend_after).handle

    async def wait(self, since_the_beginning: timedelta) -> None:
        for pool in (self.pedidos, self.estoque):
            await pool.execute(CLOCK.format(f" + interval ''{since_the_beginning.total_seconds()} s''"))

    async def order(self, tipo: CommandType, order_id: Any, itens: list[Item] | None = None) -> None:
        await self.registro.write([NewCommand(new_id(), order_id, tipo, "", "ana", itens)])

    async def commands_arrive(self) -> int:
        rows = await self.pedidos.fetch(Queries("pedidos")["tomar_outbox"], 9, [])
        assert await self._to_estoque([to_event(row) for row in rows]) == []
        return len(rows)

    async def answers_arrive(self) -> None:
        rows = await self.estoque.fetch(Queries("estoque")["tomar_outbox"], 9, [])
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
        for step in retention_jobs(self.pedidos, self.registro, kept).values():
            await step()

    async def statuses(self) -> tuple[str, str]:
        """What pedidos says of the one order, and what estoque does."""
        said = "select status from pedido"
        return await self.pedidos.fetchval(said), await self.estoque.fetchval(said)


@pytest.fixture
async def shop(pedidos_db: "Pool[Any]", estoque_db: "Pool[Any]") -> AsyncIterator[Shop]:
    """With an order whose reservation has just lapsed: pedidos has not heard of it."""
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 9, 9)")
    shop = Shop(pedidos_db, estoque_db)
    await shop.order(CommandType.CRIAR, new_id(), [Item("A", 1)])
    await shop.commands_arrive()
    await shop.answers_arrive()
    assert await shop.statuses() == ("EstoqueReservado", "EstoqueReservado")
    await shop.wait(TTL / 2)
    await shop.retain()
    await shop.wait(TTL + MINUTE)
    yield shop
    for pool in (pedidos_db, estoque_db):
        await pool.execute(CLOCK.format(""))


async def test_it_is_asked_about_although_its_command_was_made_long_ago(shop: Shop):
    await shop.estoque.execute("select expirar_reservas(9)")
    await shop.answers_are_lost()
    await shop.resend()
    assert await shop.commands_arrive() == 1
    await shop.answers_arrive()
    assert await shop.statuses() == ("ReservaExpirada", "ReservaExpirada")


@pytest.mark.parametrize(
    ("meanwhile", "comes_of_it"),
    [
        ("swept", "ReservaExpirada"),
        ("not swept, the operator is away", "Cancelado"),
        ("closed", "Fechado"),
    ],
)
async def test_where_no_answer_came_it_is_cancelled_later_and_put_right(shop: Shop, meanwhile: str, comes_of_it: str):
    if meanwhile == "swept":
        await shop.estoque.execute("select expirar_reservas(9)")
    if meanwhile == "closed":
        await shop.order(CommandType.FECHAR, await shop.pedidos.fetchval("select id from pedido"))
        await shop.commands_arrive()
    await shop.answers_are_lost()
    await shop.wait(TTL + 2 * shop.settings.resend_horizon)
    await shop.resend()
    assert await shop.commands_arrive() == 0, "given up"
    before = REGISTRY.get_sample_value("pedidos_unheard_lapses_total")
    await shop.wait(TTL + shop.settings.abandoned_after - MINUTE)
    await shop.retain()
    assert await shop.commands_arrive() == 0, "not yet"
    await shop.wait(TTL + shop.settings.abandoned_after + MINUTE)
    for _replica in (1, 2):
        await shop.retain()
    assert await shop.commands_arrive() == 1
    assert REGISTRY.get_sample_value("pedidos_unheard_lapses_total") == before + 1
    await shop.answers_arrive()
    assert await shop.statuses() == (comes_of_it, comes_of_it)
