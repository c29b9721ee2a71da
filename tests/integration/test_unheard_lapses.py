"""The expiry notice of a three-day reservation is lost, in a shop that waits for a boleto: the order recovers."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from by_hand import CLOCK, Shop
from prometheus_client import REGISTRY

from pedidos.command import CommandType
from reservaestoque.events import Item, new_id

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
TTL = timedelta(hours=72)
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def shop(pedidos_db: "Pool[Any]", estoque_db: "Pool[Any]") -> AsyncIterator[Shop]:
    """A shop with an order whose reservation has just lapsed: pedidos has not been notified."""
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 9, 9)")
    shop = Shop(pedidos_db, estoque_db, TTL)
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


async def test_an_unreported_lapse_is_followed_up_although_its_command_is_old(shop: Shop):
    await shop.estoque.execute("select sweep_reservas(9)")
    await shop.answers_are_lost()
    await shop.resend()
    assert await shop.commands_arrive() == 1
    await shop.answers_arrive()
    assert await shop.statuses() == ("ReservaExpirada", "ReservaExpirada")


@pytest.mark.parametrize(
    ("meanwhile", "comes_of_it"),
    [
        ("swept", "ReservaExpirada"),
        ("not swept, the operator is down", "Cancelado"),
        ("closed", "Fechado"),
    ],
)
async def test_without_an_answer_the_order_is_cancelled_later_and_corrected(
    shop: Shop, meanwhile: str, comes_of_it: str
):
    if meanwhile == "swept":
        await shop.estoque.execute("select sweep_reservas(9)")
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
