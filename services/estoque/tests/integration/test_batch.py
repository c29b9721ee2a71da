"""A batch on a real PostgreSQL: all or nothing, exactly once, correct under concurrency."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from commands import cancelar, criar, fechar, reservar
from facts import read_facts
from no_relay import NoRelay

from conferir import ledger
from estoque.handler import CommandHandler
from estoque.retention import RetentionPeriods, retention_jobs
from reservaestoque.events import Comando, new_id

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
TTL = timedelta(minutes=30)
HORIZON = timedelta(days=6)
LAPSED = timedelta(microseconds=-1)


async def supply(pool: "Pool[Any]", **units_by_sku: int) -> None:
    for sku, units in units_by_sku.items():
        await pool.execute("insert into estoque (sku, nome, alvo, quantidade) values ($1, $1, $2, $2)", sku, units)


async def handle(pool: "Pool[Any]", *commands: Comando, ttl: timedelta = TTL) -> None:
    assert await CommandHandler(pool, NoRelay(), ttl, HORIZON).handle(commands) == []


async def status(pool: "Pool[Any]", command: Comando) -> str:
    return await pool.fetchval("select status from pedido where id = $1", command.data.pedido_id)


async def counters(pool: "Pool[Any]", sku: str) -> tuple[int, int]:
    return tuple(await pool.fetchrow("select reservado, vendido from estoque where sku = $1", sku))


async def facts(pool: "Pool[Any]") -> list[tuple[str, int]]:
    return [(fact["status"], fact["versao"]) for fact in await read_facts(pool)]


@pytest.fixture(autouse=True)
async def ledger_balances(estoque_db: "Pool[Any]"):
    yield
    assert await ledger.violations(estoque_db) == []


async def test_batch_reserves_in_order_of_arrival_until_stock_runs_out(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=5, B=9)
    pedidos = [criar(A=2, B=1), criar(A=2, B=1), criar(A=2, B=1), criar(B=1)]
    await handle(estoque_db, *pedidos)
    assert [await status(estoque_db, p) for p in pedidos] == [
        "EstoqueReservado",
        "EstoqueReservado",
        "EstoqueNaoDisponivel",
        "EstoqueReservado",
    ]
    assert await counters(estoque_db, "A") == (4, 0)
    assert await counters(estoque_db, "B") == (3, 0)
    assert len(await facts(estoque_db)) == 4


async def test_repeated_event_changes_nothing_and_is_answered_with_the_snapshot(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=5)
    pedido = criar(A=2)
    await handle(estoque_db, pedido, pedido)
    await handle(estoque_db, pedido)
    await handle(estoque_db, cancelar(pedido.data.pedido_id))
    await handle(estoque_db, pedido)
    assert await counters(estoque_db, "A") == (0, 0)
    assert await facts(estoque_db) == [
        ("EstoqueReservado", 1),
        ("EstoqueReservado", 1),
        ("Cancelado", 2),
        ("Cancelado", 2),
    ]


async def test_close_turns_reserved_units_into_sold_ones(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=5, B=1)
    pedido = criar(A=2, B=1)
    await handle(estoque_db, pedido)
    await handle(estoque_db, fechar(pedido.data.pedido_id, A=2, B=1))
    assert await status(estoque_db, pedido) == "Fechado"
    assert await counters(estoque_db, "A") == (0, 2)


async def test_cancel_that_arrives_before_its_order_is_remembered(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=5)
    pedido = criar(A=2)
    await handle(estoque_db, cancelar(pedido.data.pedido_id))
    await handle(estoque_db, pedido)
    assert await status(estoque_db, pedido) == "Cancelado"
    assert await counters(estoque_db, "A") == (0, 0)


async def test_lapsed_units_not_yet_swept_go_to_the_next_order(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=5)
    lapsed = [criar(A=2), criar(A=2)]
    await handle(estoque_db, *lapsed, ttl=LAPSED)
    new = criar(A=3)
    await handle(estoque_db, new)
    assert await status(estoque_db, new) == "EstoqueReservado"
    assert await counters(estoque_db, "A") == (5, 0), "one lapsed line suffices, the other stays"
    other = criar(A=3)
    await handle(estoque_db, other)
    assert await status(estoque_db, other) == "EstoqueNaoDisponivel"
    assert await estoque_db.fetchval("select sweep_reservas(10)") == 2
    assert await counters(estoque_db, "A") == (3, 0)


async def test_close_after_expiry_checks_the_stock_again(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=2)
    lapsed, new = criar(A=2), criar(A=1)
    await handle(estoque_db, lapsed, ttl=LAPSED)
    await handle(estoque_db, new)
    await handle(estoque_db, fechar(lapsed.data.pedido_id, A=2))
    assert await status(estoque_db, lapsed) == "EstoqueNaoDisponivel"
    assert await counters(estoque_db, "A") == (1, 0)


@pytest.mark.parametrize(("command", "final"), [(fechar, "Fechado"), (reservar, "EstoqueReservado")])
async def test_lapsed_order_may_have_its_own_units_again(estoque_db: "Pool[Any]", command: Any, final: str):
    await supply(estoque_db, A=2, B=1)
    lapsed = criar(A=2, B=1)
    await handle(estoque_db, lapsed, ttl=LAPSED)
    await handle(estoque_db, command(lapsed.data.pedido_id, A=2, B=1))
    assert await status(estoque_db, lapsed) == final


async def test_renewal_after_the_sweep_checks_the_stock_again(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=2)
    pedido = criar(A=2)
    await handle(estoque_db, pedido, ttl=LAPSED)
    assert await estoque_db.fetchval("select sweep_reservas(10)") == 1
    assert await status(estoque_db, pedido) == "ReservaExpirada"
    await handle(estoque_db, reservar(pedido.data.pedido_id, A=2))
    assert await status(estoque_db, pedido) == "EstoqueReservado"
    assert await estoque_db.fetchval("select sweep_reservas(10)") == 0


async def test_the_clock_is_read_after_the_locks(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=2)
    lapsed = criar(A=2)
    await handle(estoque_db, lapsed, ttl=timedelta(seconds=0.4))
    async with estoque_db.acquire() as other, other.transaction():
        await other.execute("select 1 from estoque where sku = 'A' for update")
        closing = asyncio.create_task(handle(estoque_db, fechar(lapsed.data.pedido_id, A=2)))
        await asyncio.sleep(0.6)  # the close starts while the reservation holds and gets its lock after expiry
        await other.execute("update estoque set situacao = 'Pausado' where sku = 'A'")
    await closing
    assert await status(estoque_db, lapsed) == "EstoqueNaoDisponivel"


async def test_orders_over_many_skus_from_many_replicas_neither_oversell_nor_deadlock(estoque_db: "Pool[Any]"):
    skus = [f"S{n}" for n in range(6)]
    await supply(estoque_db, **dict.fromkeys(skus, 40))
    rng = random.Random(20261124)
    pedidos = [criar(**dict.fromkeys(rng.sample(skus, 3), 1)) for _ in range(400)]

    async def replica(batches: list[list[Comando]]) -> None:
        for batch in batches:
            await handle(estoque_db, *batch)

    batches = [pedidos[i : i + 5] for i in range(0, 400, 5)]
    await asyncio.gather(*[replica(batches[n::8]) for n in range(8)])
    reserved = await estoque_db.fetchval("select count(*) from pedido where status = 'EstoqueReservado'")
    assert await estoque_db.fetchval("select sum(reservado) from estoque") == 3 * reserved
    assert await estoque_db.fetchval("select count(*) from pedido") == 400
    assert 0 < reserved <= 80


async def test_the_same_message_taken_by_two_replicas_takes_effect_once(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=1000)
    for _ in range(20):
        batch = [criar(A=1) for _ in range(5)]
        await asyncio.gather(handle(estoque_db, *batch), handle(estoque_db, *reversed(batch)))
    assert await counters(estoque_db, "A") == (100, 0)


async def test_order_and_its_cancel_taken_by_two_replicas_at_once(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=1000)
    for _ in range(40):
        pedido = criar(A=1)
        await asyncio.gather(handle(estoque_db, pedido), handle(estoque_db, cancelar(pedido.data.pedido_id)))
        assert await status(estoque_db, pedido) == "Cancelado"
    assert await counters(estoque_db, "A") == (0, 0)


async def test_close_against_expiry_at_the_same_instant(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=1000)
    for _ in range(50):
        pedido = criar(A=1)
        await handle(estoque_db, pedido, ttl=timedelta(milliseconds=1))
        await asyncio.gather(
            handle(estoque_db, fechar(pedido.data.pedido_id, A=1)), estoque_db.fetchval("select sweep_reservas(10)")
        )
        assert await status(estoque_db, pedido) == "Fechado", "there is stock: live or lapsed, the close succeeds"
    assert await counters(estoque_db, "A") == (0, 50)


async def test_sweep_in_bounded_steps_skips_locked_orders(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=10)
    pedidos = [criar(A=1) for _ in range(5)]
    await handle(estoque_db, *pedidos, ttl=LAPSED)
    async with estoque_db.acquire() as other, other.transaction():
        await other.execute("select 1 from pedido where id = $1 for update", pedidos[0].data.pedido_id)
        assert await estoque_db.fetchval("select sweep_reservas(3)") + await estoque_db.fetchval(
            "select sweep_reservas(3)"
        ) in (3, 4)
    while await estoque_db.fetchval("select sweep_reservas(3)"):
        pass
    assert await counters(estoque_db, "A") == (0, 0)
    assert [await status(estoque_db, p) for p in pedidos] == ["ReservaExpirada"] * 5


@pytest.mark.parametrize(
    "abuse",
    [
        "update estoque set reservado = 6 where sku = 'A'",
        "update estoque set vendido = 6 where sku = 'A'",
        "update estoque set reservado = 6, quantidade = 6 where sku = 'A'",
        "update estoque set reservado = 3, vendido = 3, quantidade = 6 where sku = 'A'",
        "update estoque set reservado = -1 where sku = 'A'",
        "update estoque set quantidade = 4 where sku = 'A'",
    ],
)
async def test_the_database_refuses_to_oversell_whatever_the_code_does(estoque_db: "Pool[Any]", abuse: str):
    await supply(estoque_db, A=5)
    with pytest.raises(asyncpg.CheckViolationError):
        await estoque_db.execute(abuse)


async def test_refused_order_names_the_reason(estoque_db: "Pool[Any]"):
    await handle(estoque_db, criar(new_id(), Z=1))
    [fact] = await read_facts(estoque_db)
    assert '"SkuDesconhecido"' in fact["itens_em_falta"]


async def test_repeated_event_gets_its_first_answer(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=5)
    pedido = criar(A=2)
    renewal, cancellation = reservar(pedido.data.pedido_id, A=2), cancelar(pedido.data.pedido_id)
    await handle(estoque_db, pedido, renewal, cancellation)
    await handle(estoque_db, renewal, pedido)
    answers = [(f["versao"], f["status"], f["causa"], f["recusa"]) for f in await read_facts(estoque_db)]
    assert answers == [
        (1, "EstoqueReservado", pedido.id, None),
        (2, "EstoqueReservado", renewal.id, "ReservaVigente"),
        (3, "Cancelado", cancellation.id, None),
        (3, "Cancelado", renewal.id, "ReservaVigente"),
        (3, "Cancelado", pedido.id, None),
    ]


async def test_events_beyond_the_horizon_are_refused(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=5)
    new = criar(A=1)
    too_old = msgspec.structs.replace(criar(A=1), time=new.time - HORIZON - timedelta(seconds=1))
    [refused] = await CommandHandler(estoque_db, NoRelay(), TTL, HORIZON).handle([too_old, new])
    assert refused.event == too_old
    assert refused.reason.startswith("ForaDoHorizonte")
    assert await counters(estoque_db, "A") == (1, 0)


async def test_ended_orders_and_old_ids_are_purged_and_sold_units_stay_sold(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=5)
    sold, live = criar(A=2), criar(A=1)
    await handle(estoque_db, sold, live, fechar(sold.data.pedido_id, A=2))
    instant = timedelta(microseconds=1)
    await asyncio.sleep(0.01)  # ids carry their millisecond
    for step in retention_jobs(estoque_db, RetentionPeriods(inbox=instant, ended=instant, changes=instant)).values():
        assert await step() is False
    assert await counters(estoque_db, "A") == (1, 2)
    assert await estoque_db.fetchval("select arquivado from estoque") == 2
    assert await estoque_db.fetchval("select count(*) from inbox") == 0
    assert [r["id"] for r in await estoque_db.fetch("select id from pedido")] == [live.data.pedido_id]
