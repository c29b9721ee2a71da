"""The log of changed SKUs: each path that changes a balance is told, each SKU once, and nothing is skipped."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from comandos import criar, fechar

from estoque.consumidor import Consumidor
from estoque.mudancas import PAGE_SKUS, READ_CHANGES, Mudancas
from estoque.retencao import retention_jobs
from reservaestoque.events import Comando
from reservaestoque.postgres import Queries
from reservaestoque.streams import PAGE_BYTES, Batch, ChangeLog, Position, PositionLostError
from reservaestoque.streams.position import ORIGIN

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
SQL = Queries("estoque")
JA, NUNCA = timedelta(microseconds=1), timedelta(days=1)


class SemRelay:
    def wake(self) -> None: ...


def fonte(pool: "Pool[Any]") -> Mudancas:
    log = ChangeLog(pool, newest=SQL["ultima_mudanca"], page=SQL["ler_mudancas"])
    return Mudancas(log, pool)


async def abastecer(pool: "Pool[Any]", **alvos: int) -> None:
    skus = list(alvos)
    await sincronizar(pool, skus, list(alvos.values()))


async def sincronizar(pool: "Pool[Any]", skus: list[str], alvos: list[int], **opcoes: bool) -> None:
    n = len(skus)
    await pool.fetch(
        "select * from sincronizar_itens($1, $1, $1, $2, $3, $4, $5)",
        skus,
        alvos,
        [opcoes.get("pausado", False)] * n,
        [None] * n,
        [opcoes.get("encerrar", False)] * n,
    )


async def tratar(pool: "Pool[Any]", *comandos: Comando, ttl: timedelta = timedelta(minutes=30)) -> None:
    assert await Consumidor(pool, SemRelay(), ttl, timedelta(days=6)).handle(comandos) == []


def eventos(lote: Batch) -> list[tuple[str, dict[str, Any]]]:
    linhas = [frame.data.decode().splitlines() for frame in lote.frames]
    return [(la[0].removeprefix("event: "), json.loads(la[-2].removeprefix("data: "))) for la in linhas]


def skus(lote: Batch) -> list[str]:
    return [dados["sku"] for _, dados in eventos(lote)]


async def test_every_path_that_changes_a_balance_is_told_of(estoque_db: "Pool[Any]"):
    log, pedido = fonte(estoque_db), criar(A=2, B=1)
    passos = {
        "declared": (abastecer(estoque_db, A=10, B=10, C=10), ["A", "B", "C"]),
        "restocked": (abastecer(estoque_db, A=10, B=11, C=10), ["B"]),
        "reserved": (tratar(estoque_db, pedido), ["A", "B"]),
        "sold": (tratar(estoque_db, fechar(pedido.data.pedido_id, A=2, B=1)), ["A", "B"]),
        "reserved, soon lapsed": (tratar(estoque_db, criar(C=3), ttl=JA), ["C"]),
        "swept": (estoque_db.execute("select expirar_reservas(10)"), ["C"]),
        "renamed by hand": (estoque_db.execute("update estoque set nome = 'x' where sku = 'C'"), ["C"]),
        "deleted by the shop": (sincronizar(estoque_db, ["C"], [10], encerrar=True), ["C"]),
        "deleted by hand": (estoque_db.execute("delete from estoque where sku = 'C'"), ["C"]),
    }
    posicao = await log.newest()
    for passo, (acao, esperados) in passos.items():
        await acao
        lote = await log.read(posicao)
        assert skus(lote) == esperados, passo
        posicao = lote.position


async def test_what_customers_do_not_see_writes_no_row(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=10)
    pedido = criar(A=2)
    await tratar(estoque_db, pedido, fechar(pedido.data.pedido_id, A=2))
    antes = await estoque_db.fetchval("select count(*) from mudanca")
    await abastecer(estoque_db, A=10)
    await sincronizar(estoque_db, ["A"], [10], pausado=True)
    await tratar(estoque_db, pedido, criar(Z=1), criar(A=99))
    await asyncio.sleep(0.01)  # ids tell their millisecond
    await retention_jobs(estoque_db, inbox=JA, pedidos=JA, mudancas=NUNCA)["purge pedido"]()
    assert await estoque_db.fetchval("select arquivado from estoque") == 2
    assert await estoque_db.fetchval("select count(*) from mudanca") == antes


async def test_a_sku_is_told_once_with_the_present_balance_however_often_it_changed(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=100, B=100)
    log = fonte(estoque_db)
    inicio = await log.newest()
    for _ in range(10):
        await tratar(estoque_db, criar(A=2))
    await tratar(estoque_db, criar(B=1))
    lote = await log.read(inicio)
    assert eventos(lote) == [
        (
            "saldo",
            {"sku": "A", "nome": "A", "quantidade": 100, "reservado": 20, "vendido": 0, "disponivel": 80},
        ),
        ("saldo", {"sku": "B", "nome": "B", "quantidade": 100, "reservado": 1, "vendido": 0, "disponivel": 99}),
    ]
    assert [b"\nid: " in frame.data for frame in lote.frames] == [False, True], "who got the first only comes back"
    assert f"id: {lote.position}\n".encode() in lote.frames[-1].data
    assert await log.read(lote.position) == Batch([], lote.position, False)


async def test_what_is_no_longer_offered_is_told_as_such(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=1)
    log = fonte(estoque_db)
    inicio = await log.newest()
    await sincronizar(estoque_db, ["A"], [1], encerrar=True)
    assert eventos(await log.read(inicio)) == [("encerrado", {"sku": "A"})]


async def test_nothing_is_skipped_although_the_older_transaction_commits_later(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=1, B=1)
    log = fonte(estoque_db)
    inicio = await log.newest()
    async with estoque_db.acquire() as velha:
        async with velha.transaction():
            await velha.execute("update estoque set nome = 'a' where sku = 'A'")
            await estoque_db.execute("update estoque set nome = 'b' where sku = 'B'")
            durante = await log.read(inicio)
            assert skus(durante) == []
        assert skus(await log.read(durante.position)) == ["A", "B"]


async def pages(log: Mudancas, after: Position = ORIGIN) -> list[Batch]:
    """Page by page to the end of the log."""
    read = [await log.read(after)]
    while read[-1].more:
        read.append(await log.read(read[-1].position))
    return read


async def test_a_statement_that_changed_many_skus_is_told_of_in_pages(estoque_db: "Pool[Any]"):
    todos = [f"S{n:04}" for n in range(PAGE_SKUS + 2)]
    await abastecer(estoque_db, **dict.fromkeys(todos, 1))
    for n in range(5):
        await abastecer(estoque_db, S0001=n + 2)
    lidas = await pages(fonte(estoque_db))
    vistos = [sku for lote in lidas for sku in skus(lote)]
    assert vistos == [*todos, "S0001"], "once a page"
    assert len(lidas) > 1
    assert all(f"id: {lote.position}\n".encode() in lote.frames[-1].data for lote in lidas)


async def test_a_hot_sku_is_one_event_however_many_reads_its_changes_take(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=1)
    log = fonte(estoque_db)
    inicio = await log.newest()
    await estoque_db.execute(
        "insert into mudanca (skus) select array['A'] from generate_series(1, $1)", 3 * READ_CHANGES
    )
    [lote] = await pages(log, inicio)
    assert (skus(lote), lote.position) == (["A"], await log.newest())


async def test_a_page_is_bounded_in_bytes_however_long_the_names(estoque_db: "Pool[Any]"):
    todos = [f"S{n:04}" for n in range(PAGE_SKUS)]
    await abastecer(estoque_db, **dict.fromkeys(todos, 1))
    await estoque_db.execute("update estoque set nome = repeat('\U0001f455', 200)")
    log = fonte(estoque_db)
    lidas = await pages(log)
    assert {sku for lote in lidas for sku in skus(lote)} == set(todos)
    assert all(len(skus(lote)) == len(set(skus(lote))) for lote in lidas), "once a page"
    assert max(sum(len(frame.data) for frame in lote.frames) for lote in lidas) <= PAGE_BYTES
    assert lidas[-1].position == await log.newest()


@pytest.mark.parametrize("name", ["short", "long" * 50])
async def test_whoever_stops_after_any_page_misses_nothing(estoque_db: "Pool[Any]", name: str):
    """A change that an id leaves behind has been told of, in that page or in one before."""
    await abastecer(estoque_db, **dict.fromkeys([f"S{n:04}" for n in range(1500)], 1))
    await estoque_db.execute("update estoque set nome = $1", name)
    log = fonte(estoque_db)
    inicio = await log.newest()
    await estoque_db.execute(
        """insert into mudanca (skus)
           select array(select 'S' || lpad((k * j % 1500)::text, 4, '0') from generate_series(1, 70) j)
           from generate_series(1, 100) k"""
    )
    changes = await estoque_db.fetch(
        """select transacao::text::bigint, id, parte, sku from mudanca, unnest(skus) with ordinality s (sku, parte)
           order by 1, 2, 3"""
    )
    told, lidas = set[str](), await pages(log, inicio)
    for lote in lidas:
        told.update(skus(lote))
        assert {sku for *change, sku in changes if inicio < Position(*change) <= lote.position} <= told
    assert told == {sku for *change, sku in changes if Position(*change) > inicio}
    assert len(lidas) > 3


async def test_a_purged_position_is_lost_and_the_newest_never_is(estoque_db: "Pool[Any]"):
    await abastecer(estoque_db, A=1)
    log = fonte(estoque_db)
    velha = await log.newest()
    await abastecer(estoque_db, A=2)
    await estoque_db.execute("select pg_sleep(0.005)")
    await retention_jobs(estoque_db, inbox=NUNCA, pedidos=NUNCA, mudancas=JA)["purge mudanca"]()
    with pytest.raises(PositionLostError):
        await log.read(velha)
    assert skus(await log.read(await log.newest())) == []
