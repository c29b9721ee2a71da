"""A clock that steps back: lapsed reservations stay lapsed, and no unit is sold twice."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from no_relay import NoRelay

from estoque.handler import CommandHandler
from reservaestoque.events import (
    FecharPedido,
    Item,
    ItensDoPedido,
    PedidoCriado,
    PedidoData,
    new_id,
)

pytestmark = pytest.mark.integration

TTL = timedelta(minutes=30)
HORIZON = timedelta(days=6)
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)

SetClock = Callable[[datetime], Awaitable[None]]


@pytest.fixture
async def set_clock(estoque_db: asyncpg.Pool) -> AsyncIterator[SetClock]:
    """Sets the database's clock."""
    real = await estoque_db.fetchval("select pg_get_functiondef('agora'::regproc)")

    async def set_to(instant: datetime) -> None:
        await estoque_db.execute(
            "create or replace function agora() returns timestamptz language sql volatile as "
            f"'select timestamptz ''{instant.isoformat()}'''"
        )

    yield set_to
    await estoque_db.execute(real)


@pytest.fixture
async def tolerate(estoque_db: asyncpg.Pool) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """Sets how far a step back is bridged."""
    real = await estoque_db.fetchval("select pg_get_functiondef('clock_tolerance'::regproc)")

    async def set_to(interval: str) -> None:
        await estoque_db.execute(real.replace("10 minutes", interval))

    yield set_to
    await estoque_db.execute(real)


async def handle(pool: asyncpg.Pool, *commands: PedidoCriado | FecharPedido) -> None:
    assert await CommandHandler(pool, NoRelay(), TTL, HORIZON).handle(commands) == []


def created() -> PedidoCriado:
    pedido = new_id()
    data = PedidoData(pedido_id=pedido, cliente_id="ana", itens=[Item("A", 1)])
    return PedidoCriado(id=new_id(), source="/t", subject=pedido, time=NOON, data=data)


def closing(order: PedidoCriado) -> FecharPedido:
    pedido = order.data.pedido_id
    return FecharPedido(
        id=new_id(),
        source="/t",
        subject=pedido,
        time=NOON,
        data=ItensDoPedido(pedido_id=pedido, itens=order.data.itens),
    )


@pytest.mark.parametrize("back", [timedelta(seconds=3), timedelta(hours=1)], ids=["3 s", "1 h"])
async def test_lapsed_units_taken_by_another_order_are_not_sold_to_the_first(
    estoque_db: asyncpg.Pool, set_clock: SetClock, back: timedelta
):
    """Both orders are closed, with one unit between them. An hour is more than a SKU's own clock bridges."""
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', '', 1, 1)")
    first, second = created(), created()
    await set_clock(NOON)
    await handle(estoque_db, first)
    lapsed = NOON + TTL + timedelta(seconds=1)
    await set_clock(lapsed)
    await handle(estoque_db, second)
    await set_clock(lapsed - back)
    await handle(estoque_db, closing(first), closing(second))
    status = dict(await estoque_db.fetch("select id, status from pedido"))
    assert status == {first.data.pedido_id: "EstoqueNaoDisponivel", second.data.pedido_id: "Fechado"}
    assert await estoque_db.fetchval("select vendido from estoque") == 1
    assert await estoque_db.fetchval("select count(*) from reserva") == 1


async def test_the_timestamps_of_a_sku_and_of_an_order_never_go_backwards(
    estoque_db: asyncpg.Pool, set_clock: SetClock
):
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', '', 9, 9)")
    order = created()
    await set_clock(NOON)
    await handle(estoque_db, order)
    await set_clock(NOON - timedelta(minutes=9))
    await handle(estoque_db, closing(order), created())
    assert await estoque_db.fetchval("select alterado_em from estoque") == NOON
    assert await estoque_db.fetchval("select min(atualizado_em) from pedido") == NOON


async def test_a_clock_that_was_wrong_by_hours_is_not_waited_for(estoque_db: asyncpg.Pool, set_clock: SetClock):
    """Otherwise units would be held until real time reaches the wrong clock's time."""
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', '', 9, 9)")
    await set_clock(NOON + timedelta(days=1))
    await handle(estoque_db, created())
    await set_clock(NOON)
    order = created()
    await handle(estoque_db, order)
    assert await estoque_db.fetchval("select expira_em from pedido where id = $1", order.data.pedido_id) == NOON + TTL


async def test_the_balance_that_customers_see_does_not_step_back(estoque_db: asyncpg.Pool, set_clock: SetClock):
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', '', 2, 2)")
    await set_clock(NOON)
    await handle(estoque_db, created())
    lapsed = NOON + TTL + timedelta(seconds=1)
    await set_clock(lapsed)
    await handle(estoque_db, created())
    free = "select disponivel from saldo where sku = 'A'"
    assert await estoque_db.fetchval(free) == 1
    await set_clock(lapsed - timedelta(seconds=5))
    assert await estoque_db.fetchval(free) == 1


async def test_orders_and_balances_bridge_a_step_back_alike(
    estoque_db: asyncpg.Pool, set_clock: SetClock, tolerate: Callable[[str], Awaitable[None]]
):
    """A balance does not promise units that an order would not get, and vice versa."""
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', '', 1, 1)")
    await set_clock(NOON)
    await handle(estoque_db, created())
    seen = {}
    for interval in ("2 hours", "1 second"):
        await tolerate(interval)
        # As if the row had changed after the reservation lapsed, by a clock that has stepped back since.
        await estoque_db.execute("update estoque set alterado_em = $1", NOON + TTL + timedelta(hours=1))
        await set_clock(NOON + timedelta(minutes=1))
        order = created()
        free = await estoque_db.fetchval("select disponivel from saldo")
        await handle(estoque_db, order)
        status = await estoque_db.fetchval("select status from pedido where id = $1", order.data.pedido_id)
        seen[interval] = (free, status)
    assert seen == {"2 hours": (1, "EstoqueReservado"), "1 second": (0, "EstoqueNaoDisponivel")}


async def test_the_sweep_ends_a_reservation_no_earlier_than_its_expiry(estoque_db: asyncpg.Pool, set_clock: SetClock):
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', '', 2, 2)")
    await set_clock(NOON)
    order = created()
    await handle(estoque_db, order)
    await set_clock(NOON + TTL)
    assert await estoque_db.fetchval("select sweep_reservas(10)") == 1
    swept = await estoque_db.fetchrow("select status, atualizado_em from pedido where id = $1", order.data.pedido_id)
    assert tuple(swept) == ("ReservaExpirada", NOON + TTL)
    await set_clock(NOON + TTL - timedelta(seconds=5))
    await handle(estoque_db, closing(order))
    closed = await estoque_db.fetchrow("select status, atualizado_em from pedido where id = $1", order.data.pedido_id)
    assert tuple(closed) == ("Fechado", NOON + TTL)
