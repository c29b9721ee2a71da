"""estoque is restored to before it decided an order that pedidos knows: it decides again, and both agree."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from archive import Archive, link_programs
from by_hand import CLOCK, Shop
from shop import conferir

from local_system import System
from pedidos.command import CommandType
from reservaestoque.events import Item, new_id

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool


@pytest.fixture
def archive(backing: System, tmp_path: Path) -> Archive:
    link_programs(tmp_path / "bin")
    return Archive(backing, "", tmp_path / "bin")


@pytest.fixture
async def shop(pedidos_db: "Pool[Any]", estoque_db: "Pool[Any]") -> AsyncIterator[Shop]:
    yield Shop(pedidos_db, estoque_db, timedelta(minutes=30))
    for pool in (pedidos_db, estoque_db):
        await pool.execute(CLOCK.format(""))


async def have_decided(shop: Shop, types: list[CommandType], units: int = 2) -> UUID:
    """An order of one unit, with this supply, after these commands."""
    supply = "insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', $1, $1)"
    await shop.estoque.execute(supply, units)
    order = new_id()
    for tipo in types:
        await shop.order(tipo, order, [Item("A", 1)] if tipo == CommandType.CRIAR else None)
        await shop.commands_arrive()
        await shop.answers_arrive()
    return order


async def restore_estoque_to_before_it_heard_of_any(shop: Shop) -> None:
    await shop.estoque.execute("truncate pedido, reserva, inbox, outbox, mudanca")
    await shop.estoque.execute("update estoque set reservado = 0, vendido = 0")


async def agree(shop: Shop, archive: Archive) -> None:
    await asyncio.to_thread(archive.agree, datetime.now(UTC) - timedelta(minutes=1))
    await shop.resend()
    await shop.commands_arrive()
    await shop.answers_arrive()


@pytest.mark.parametrize(
    ("types", "status", "units"),
    [
        ([CommandType.CRIAR], "EstoqueReservado", (1, 0)),
        ([CommandType.CRIAR, CommandType.FECHAR], "Fechado", (0, 1)),
        ([CommandType.CRIAR, CommandType.CANCELAR], "Cancelado", (0, 0)),
    ],
)
async def test_estoque_decides_again_what_pedidos_knows(
    shop: Shop, archive: Archive, types: list[CommandType], status: str, units: tuple[int, int]
):
    await have_decided(shop, types)
    await restore_estoque_to_before_it_heard_of_any(shop)
    await agree(shop, archive)
    assert await shop.statuses() == (status, status)
    assert tuple(await shop.estoque.fetchrow("select reservado, vendido from estoque")) == units
    await conferir(archive.system)


async def test_an_order_refused_for_lack_of_stock_stays_refused(shop: Shop, archive: Archive):
    await have_decided(shop, [CommandType.CRIAR], units=0)
    await restore_estoque_to_before_it_heard_of_any(shop)
    await shop.estoque.execute("update estoque set alvo = 2, quantidade = 2")
    await agree(shop, archive)
    assert await shop.statuses() == ("EstoqueNaoDisponivel", "EstoqueNaoDisponivel")
    await conferir(archive.system)


async def test_an_order_that_waited_long_for_its_answer_keeps_it(shop: Shop, archive: Archive):
    """Its creation is older than what the script looks at, its answer is not."""
    await shop.estoque.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 2, 2)")
    await shop.order(CommandType.CRIAR, new_id(), [Item("A", 1)])
    await shop.pedidos.execute("update pedido set criado_em = criado_em - interval '30 minutes'")
    await shop.commands_arrive()
    await shop.answers_arrive()
    await restore_estoque_to_before_it_heard_of_any(shop)
    await agree(shop, archive)
    assert await shop.statuses() == ("EstoqueReservado", "EstoqueReservado")
    await conferir(archive.system)


async def test_closing_an_order_before_it_is_asked_about_closes_it(shop: Shop):
    order = await have_decided(shop, [CommandType.CRIAR])
    await restore_estoque_to_before_it_heard_of_any(shop)
    await shop.order(CommandType.FECHAR, order)
    await shop.commands_arrive()
    await shop.answers_arrive()
    assert await shop.statuses() == ("Fechado", "Fechado")


async def test_units_that_another_order_has_reserved_meanwhile_are_not_sold_twice(shop: Shop, archive: Archive):
    order = await have_decided(shop, [CommandType.CRIAR, CommandType.FECHAR])
    await restore_estoque_to_before_it_heard_of_any(shop)
    other = new_id()
    await shop.order(CommandType.CRIAR, other, [Item("A", 2)])
    await shop.commands_arrive()
    await shop.answers_arrive()
    await agree(shop, archive)
    said = dict(await shop.pedidos.fetch("select id, status from pedido"))
    assert said == {order: "EstoqueNaoDisponivel", other: "EstoqueReservado"}
    await conferir(archive.system)


async def test_an_order_that_only_estoque_knows_is_restored_to_pedidos(shop: Shop, archive: Archive):
    order = await have_decided(shop, [CommandType.CRIAR])
    await shop.order(CommandType.FECHAR, order)
    await shop.commands_arrive()
    await shop.answers_are_lost()
    await shop.pedidos.execute("truncate pedido, comando, outbox, idempotencia, mudanca")
    await agree(shop, archive)
    assert await shop.statuses() == ("Fechado", "Fechado")
    restored = await shop.pedidos.fetchrow("select id, cliente_id, itens::jsonb from pedido")
    assert tuple(restored) == (order, "restaurado", '[{"sku": "A", "quantidade": 1}]')
    await shop.wait(2 * shop.settings.resend_after)
    await shop.resend()  # the creation, whose answer pedidos does not know
    assert await shop.commands_arrive() == 1
    await shop.answers_arrive()
    await conferir(archive.system)
