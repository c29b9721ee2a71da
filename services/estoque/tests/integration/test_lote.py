"""A batch on a real PostgreSQL: all or none, each event once, right under concurrency."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from comandos import cancelar, criar, fechar, reservar

from conferir import livro
from estoque.consumidor import Consumidor
from estoque.retencao import retention_jobs
from reservaestoque.events import Comando, new_id

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
TTL = timedelta(minutes=30)
HORIZONTE = timedelta(days=6)
VENCIDO = timedelta(microseconds=-1)


class SemRelay:
    def wake(self) -> None: ...


async def abastecer(pool: "Pool[Any]", **alvos: int) -> None:
    for sku, alvo in alvos.items():
        await pool.execute("insert into estoque (sku, nome, alvo, quantidade) values ($1, $1, $2, $2)", sku, alvo)


async def tratar(pool: "Pool[Any]", *comandos: Comando, ttl: timedelta = TTL) -> None:
    assert await Consumidor(pool, SemRelay(), ttl, HORIZONTE).handle(comandos) == []


async def status(pool: "Pool[Any]", comando: Comando) -> str:
    return await pool.fetchval("select status from pedido where id = $1", comando.data.pedido_id)


async def contadores(pool: "Pool[Any]", sku: str) -> tuple[int, int]:
    return tuple(await pool.fetchrow("select reservado, vendido from estoque where sku = $1", sku))


async def fatos(pool: "Pool[Any]") -> list[tuple[str, int]]:
    return [tuple(r) for r in await pool.fetch("select status, versao from outbox order by id")]


@pytest.fixture(autouse=True)
async def livro_fecha(estoque_db: "Pool[Any]"):
    yield
    assert await livro.violacoes(estoque_db) == []


async def test_batch_reserves_in_order_of_arrival_until_stock_ends(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=5, B=9)
    pedidos = [criar(A=2, B=1), criar(A=2, B=1), criar(A=2, B=1), criar(B=1)]
    await tratar(estoque_db, *pedidos)
    assert [await status(estoque_db, p) for p in pedidos] == [
        "EstoqueReservado",
        "EstoqueReservado",
        "EstoqueNaoDisponivel",
        "EstoqueReservado",
    ]
    assert await contadores(estoque_db, "A") == (4, 0)
    assert await contadores(estoque_db, "B") == (3, 0)
    assert len(await fatos(estoque_db)) == 4


async def test_event_that_comes_again_changes_nothing_and_repeats_the_snapshot(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=5)
    pedido = criar(A=2)
    await tratar(estoque_db, pedido, pedido)
    await tratar(estoque_db, pedido)
    await tratar(estoque_db, cancelar(pedido.data.pedido_id))
    await tratar(estoque_db, pedido)
    assert await contadores(estoque_db, "A") == (0, 0)
    assert await fatos(estoque_db) == [
        ("EstoqueReservado", 1),
        ("EstoqueReservado", 1),
        ("Cancelado", 2),
        ("Cancelado", 2),
    ]


async def test_close_turns_reserved_units_into_sold_ones(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=5, B=1)
    pedido = criar(A=2, B=1)
    await tratar(estoque_db, pedido)
    await tratar(estoque_db, fechar(pedido.data.pedido_id, A=2, B=1))
    assert await status(estoque_db, pedido) == "Fechado"
    assert await contadores(estoque_db, "A") == (0, 2)


async def test_cancel_that_overtakes_its_order_is_remembered(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=5)
    pedido = criar(A=2)
    await tratar(estoque_db, cancelar(pedido.data.pedido_id))
    await tratar(estoque_db, pedido)
    assert await status(estoque_db, pedido) == "Cancelado"
    assert await contadores(estoque_db, "A") == (0, 0)


async def test_lapsed_units_not_yet_swept_go_to_the_next_order(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=5)
    antigos = [criar(A=2), criar(A=2)]
    await tratar(estoque_db, *antigos, ttl=VENCIDO)
    novo = criar(A=3)
    await tratar(estoque_db, novo)
    assert await status(estoque_db, novo) == "EstoqueReservado"
    assert await contadores(estoque_db, "A") == (5, 0), "one lapsed line sufficed, the other is still there"
    outro = criar(A=3)
    await tratar(estoque_db, outro)
    assert await status(estoque_db, outro) == "EstoqueNaoDisponivel"
    assert await estoque_db.fetchval("select expirar_reservas(10)") == 2
    assert await contadores(estoque_db, "A") == (3, 0)


async def test_close_after_the_time_is_a_new_check(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=2)
    antigo, novo = criar(A=2), criar(A=1)
    await tratar(estoque_db, antigo, ttl=VENCIDO)
    await tratar(estoque_db, novo)
    await tratar(estoque_db, fechar(antigo.data.pedido_id, A=2))
    assert await status(estoque_db, antigo) == "EstoqueNaoDisponivel"
    assert await contadores(estoque_db, "A") == (1, 0)


@pytest.mark.parametrize(("comando", "fim"), [(fechar, "Fechado"), (reservar, "EstoqueReservado")])
async def test_lapsed_order_may_have_its_own_units_again(estoque_db: "Pool[Any]", comando: Any, fim: str):
    await abastecer(estoque_db, A=2, B=1)
    antigo = criar(A=2, B=1)
    await tratar(estoque_db, antigo, ttl=VENCIDO)
    await tratar(estoque_db, comando(antigo.data.pedido_id, A=2, B=1))
    assert await status(estoque_db, antigo) == fim


async def test_renewal_after_the_sweep_reserves_anew(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=2)
    pedido = criar(A=2)
    await tratar(estoque_db, pedido, ttl=VENCIDO)
    assert await estoque_db.fetchval("select expirar_reservas(10)") == 1
    assert await status(estoque_db, pedido) == "ReservaExpirada"
    await tratar(estoque_db, reservar(pedido.data.pedido_id, A=2))
    assert await status(estoque_db, pedido) == "EstoqueReservado"
    assert await estoque_db.fetchval("select expirar_reservas(10)") == 0


async def test_the_clock_is_read_after_the_locks(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=2)
    antigo = criar(A=2)
    await tratar(estoque_db, antigo, ttl=timedelta(seconds=0.4))
    async with estoque_db.acquire() as outro, outro.transaction():
        await outro.execute("select 1 from estoque where sku = 'A' for update")
        fechando = asyncio.create_task(tratar(estoque_db, fechar(antigo.data.pedido_id, A=2)))
        await asyncio.sleep(0.6)  # the close began while the reservation held and got its lock after that
        await outro.execute("update estoque set situacao = 'Pausado' where sku = 'A'")
    await fechando
    assert await status(estoque_db, antigo) == "EstoqueNaoDisponivel"


async def test_orders_over_many_skus_from_many_replicas_neither_oversell_nor_deadlock(estoque_db: "Pool[Any]"):
    skus = [f"S{n}" for n in range(6)]
    await abastecer(estoque_db, **dict.fromkeys(skus, 40))
    sorte = random.Random(20261124)
    pedidos = [criar(**dict.fromkeys(sorte.sample(skus, 3), 1)) for _ in range(400)]

    async def replica(lotes: list[list[Comando]]) -> None:
        for lote in lotes:
            await tratar(estoque_db, *lote)

    lotes = [pedidos[i : i + 5] for i in range(0, 400, 5)]
    await asyncio.gather(*[replica(lotes[n::8]) for n in range(8)])
    reservados = await estoque_db.fetchval("select count(*) from pedido where status = 'EstoqueReservado'")
    assert await estoque_db.fetchval("select sum(reservado) from estoque") == 3 * reservados
    assert await estoque_db.fetchval("select count(*) from pedido") == 400
    assert 0 < reservados <= 80


async def test_the_same_message_taken_by_two_replicas_takes_effect_once(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=1000)
    for _ in range(20):
        lote = [criar(A=1) for _ in range(5)]
        await asyncio.gather(tratar(estoque_db, *lote), tratar(estoque_db, *reversed(lote)))
    assert await contadores(estoque_db, "A") == (100, 0)


async def test_order_and_its_cancel_taken_by_two_replicas_at_once(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=1000)
    for _ in range(40):
        pedido = criar(A=1)
        await asyncio.gather(tratar(estoque_db, pedido), tratar(estoque_db, cancelar(pedido.data.pedido_id)))
        assert await status(estoque_db, pedido) == "Cancelado"
    assert await contadores(estoque_db, "A") == (0, 0)


async def test_close_against_expiry_at_the_same_instant(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=1000)
    for _ in range(50):
        pedido = criar(A=1)
        await tratar(estoque_db, pedido, ttl=timedelta(milliseconds=1))
        await asyncio.gather(
            tratar(estoque_db, fechar(pedido.data.pedido_id, A=1)), estoque_db.fetchval("select expirar_reservas(10)")
        )
        assert await status(estoque_db, pedido) == "Fechado", "there is stock: live or lapsed, the close succeeds"
    assert await contadores(estoque_db, "A") == (0, 50)


async def test_sweep_in_bounded_steps_skips_orders_somebody_works_on(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=10)
    pedidos = [criar(A=1) for _ in range(5)]
    await tratar(estoque_db, *pedidos, ttl=VENCIDO)
    async with estoque_db.acquire() as outro, outro.transaction():
        await outro.execute("select 1 from pedido where id = $1 for update", pedidos[0].data.pedido_id)
        assert await estoque_db.fetchval("select expirar_reservas(3)") + await estoque_db.fetchval(
            "select expirar_reservas(3)"
        ) in (3, 4)
    while await estoque_db.fetchval("select expirar_reservas(3)"):
        pass
    assert await contadores(estoque_db, "A") == (0, 0)
    assert [await status(estoque_db, p) for p in pedidos] == ["ReservaExpirada"] * 5


@pytest.mark.parametrize(
    "abuso",
    [
        "update estoque set reservado = 6 where sku = 'A'",
        "update estoque set vendido = 6 where sku = 'A'",
        "update estoque set reservado = 6, quantidade = 6 where sku = 'A'",
        "update estoque set reservado = 3, vendido = 3, quantidade = 6 where sku = 'A'",
        "update estoque set reservado = -1 where sku = 'A'",
        "update estoque set quantidade = 4 where sku = 'A'",
    ],
)
async def test_the_database_refuses_to_oversell_whatever_the_code_does(estoque_db: "Pool[Any]", abuso: str):
    await abastecer(estoque_db, A=5)
    with pytest.raises(asyncpg.CheckViolationError):
        await estoque_db.execute(abuso)


async def test_unknown_order_is_told_with_its_reason(estoque_db: "Pool[Any]"):
    await tratar(estoque_db, criar(new_id(), Z=1))
    assert '"SkuDesconhecido"' in await estoque_db.fetchval("select itens_em_falta::text from outbox")


async def test_event_that_comes_again_gets_the_answer_that_it_got(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=5)
    pedido = criar(A=2)
    renovar, cancelamento = reservar(pedido.data.pedido_id, A=2), cancelar(pedido.data.pedido_id)
    await tratar(estoque_db, pedido, renovar, cancelamento)
    await tratar(estoque_db, renovar, pedido)
    respostas = await estoque_db.fetch("select versao, status, causa, recusa from outbox order by id")
    assert [tuple(r) for r in respostas] == [
        (1, "EstoqueReservado", pedido.id, None),
        (2, "EstoqueReservado", renovar.id, "ReservaVigente"),
        (3, "Cancelado", cancelamento.id, None),
        (3, "Cancelado", renovar.id, "ReservaVigente"),
        (3, "Cancelado", pedido.id, None),
    ]


async def test_events_beyond_the_horizon_are_refused(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=5)
    novo = criar(A=1)
    velho = msgspec.structs.replace(criar(A=1), time=novo.time - HORIZONTE - timedelta(seconds=1))
    [recusado] = await Consumidor(estoque_db, SemRelay(), TTL, HORIZONTE).handle([velho, novo])
    assert recusado.event == velho
    assert recusado.reason.startswith("ForaDoHorizonte")
    assert await contadores(estoque_db, "A") == (1, 0)


async def test_ended_orders_and_old_ids_are_purged_and_sold_units_stay_sold(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=5)
    vendido, vivo = criar(A=2), criar(A=1)
    await tratar(estoque_db, vendido, vivo, fechar(vendido.data.pedido_id, A=2))
    ja = timedelta(microseconds=1)
    await asyncio.sleep(0.01)  # ids tell their millisecond
    for step in retention_jobs(estoque_db, inbox=ja, pedidos=ja, mudancas=ja).values():
        assert await step() is False
    assert await contadores(estoque_db, "A") == (1, 2)
    assert await estoque_db.fetchval("select arquivado from estoque") == 2
    assert await estoque_db.fetchval("select count(*) from inbox") == 0
    assert [r["id"] for r in await estoque_db.fetch("select id from pedido")] == [vivo.data.pedido_id]
