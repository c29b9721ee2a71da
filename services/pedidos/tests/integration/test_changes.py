"""The log of changed orders: one row a statement, read so that nothing is skipped, purged so that a loss shows."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from pedidos.changes import PAGE_CHANGES, Changes
from pedidos.group_commit import GroupCommit
from pedidos.retention import RetentionPeriods, retention_jobs
from reservaestoque.events import new_id
from reservaestoque.postgres import Queries
from reservaestoque.streams import PAGE_BYTES, Batch, ChangeLog, Position, PositionLostError
from reservaestoque.streams.position import ORIGIN

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
JA, NUNCA = timedelta(microseconds=1), timedelta(days=1)
SQL = Queries("pedidos")


def fonte(pool: "Pool[Any]") -> Changes:
    log = ChangeLog(pool, newest=SQL["ultima_mudanca"], page=SQL["ler_mudancas"])
    return Changes(log)


async def criar(onde: Any, *clientes: str) -> list[UUID]:
    ids = sorted(new_id() for _ in clientes)
    await onde.execute(
        "insert into pedido (id, cliente_id, itens) select *, '[]' from unnest($1::uuid[], $2::text[])", ids, clientes
    )
    return ids


async def reservar(onde: Any, *ids: UUID) -> None:
    await onde.execute(
        """update pedido set status = 'EstoqueReservado', versao = versao + 1, expira_em = agora(),
                             atualizado_em = agora() where id = any ($1)""",
        ids,
    )


async def pages(log: Changes, after: Position = ORIGIN) -> list[Batch]:
    """Page by page to the end of the log."""
    read = [await log.read(after)]
    while read[-1].more:
        read.append(await log.read(read[-1].position))
    return read


def dados(lote: Batch) -> list[dict[str, Any]]:
    return [json.loads(frame.data.split(b"\ndata: ")[1]) for frame in lote.frames]


def pedidos(lote: Batch) -> list[str]:
    return [evento["pedidoId"] for evento in dados(lote)]


@asynccontextmanager
async def em_curso(pool: "Pool[Any]") -> AsyncIterator[Any]:
    """A transaction that has written something, and is committed when the block ends."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


async def test_a_statement_is_one_row_and_each_order_in_it_an_event(pedidos_db: "Pool[Any]"):
    ids = await criar(pedidos_db, "ana", "bia")
    await reservar(pedidos_db, *ids)
    assert await pedidos_db.fetchval("select count(*) from mudanca") == 2
    lote = await fonte(pedidos_db).read(ORIGIN)
    assert [(e["pedidoId"], e["clienteId"], e["status"], e["versao"]) for e in dados(lote)] == [
        (str(ids[0]), "ana", "Criado", 0),
        (str(ids[1]), "bia", "Criado", 0),
        (str(ids[0]), "ana", "EstoqueReservado", 1),
        (str(ids[1]), "bia", "EstoqueReservado", 1),
    ]
    assert [frame.key for frame in lote.frames] == ["ana", "bia", "ana", "bia"]
    assert not lote.more
    linha = await pedidos_db.fetchrow("select atualizado_em, expira_em from pedido where id = $1", ids[0])
    evento = dados(lote)[2]
    assert evento["atualizadoEm"].endswith("Z")
    assert datetime.fromisoformat(evento["atualizadoEm"]) == linha["atualizado_em"]
    assert datetime.fromisoformat(evento["expiraEm"]) == linha["expira_em"]


async def test_times_are_utc_whatever_the_session_says(pedidos_db: "Pool[Any]"):
    async with em_curso(pedidos_db) as connection:
        await connection.execute("set local timezone = 'America/Sao_Paulo'")
        await criar(connection, "ana")
    assert dados(await fonte(pedidos_db).read(ORIGIN))[0]["atualizadoEm"].endswith("Z")


async def test_what_changes_nothing_that_is_shown_writes_no_row(pedidos_db: "Pool[Any]"):
    ids = await criar(pedidos_db, "ana")
    antes = await pedidos_db.fetchval("select count(*) from mudanca")
    await pedidos_db.execute("update pedido set itens = '[]', atualizado_em = agora()")
    await pedidos_db.execute("update pedido set versao = versao where id = $1", new_id())
    await criar(pedidos_db)
    await pedidos_db.execute("delete from pedido where id = $1", ids[0])
    assert await pedidos_db.fetchval("select count(*) from mudanca") == antes


async def test_nothing_is_skipped_although_the_older_transaction_commits_later(pedidos_db: "Pool[Any]"):
    await criar(pedidos_db, "antes")
    log = fonte(pedidos_db)
    inicio = await log.newest()
    async with em_curso(pedidos_db) as velha:
        [primeiro] = await criar(velha, "velha")
        [segundo] = await criar(pedidos_db, "nova")
        assert await pedidos_db.fetchval("select count(*) from pedido") == 2, "the newer one is committed"
        durante = await log.read(inicio)
        assert pedidos(durante) == [], "told now, it would hide the older one from whoever comes back by its id"
        assert await log.newest() == inicio
    depois = await log.read(durante.position)
    assert pedidos(depois) == [str(primeiro), str(segundo)]
    for n, frame in enumerate(depois.frames):
        assert pedidos(await log.read(frame.position)) == [str(primeiro), str(segundo)][n + 1 :]


async def test_an_id_in_the_middle_of_a_row_goes_on_in_that_row(pedidos_db: "Pool[Any]"):
    ids = [str(i) for i in await criar(pedidos_db, "a", "b", "c")]
    log = fonte(pedidos_db)
    todos = await log.read(ORIGIN)
    assert pedidos(await log.read(todos.frames[0].position)) == ids[1:]
    assert pedidos(await log.read(todos.position)) == []
    assert (await log.read(todos.position)).position == todos.position == await log.newest()


async def test_pages_are_bounded_and_follow_one_another(pedidos_db: "Pool[Any]"):
    esperados = [str(um) for n in range(1, 40) for um in await criar(pedidos_db, *["ana"] * n)]
    lotes = await pages(fonte(pedidos_db))
    assert [um for lote in lotes for um in pedidos(lote)] == esperados
    assert all(len(lote.frames) <= PAGE_CHANGES for lote in lotes)
    assert len(lotes) == 7


async def test_a_page_is_bounded_in_bytes_however_many_orders_one_statement_changed(pedidos_db: "Pool[Any]"):
    ids = await criar(pedidos_db, *['"' * 128] * 700)  # twice as long in JSON
    log = fonte(pedidos_db)
    lotes = await pages(log)
    assert [um for lote in lotes for um in pedidos(lote)] == [str(um) for um in ids]
    sizes = [sum(len(frame.data) for frame in lote.frames) for lote in lotes]
    assert max(sizes) <= PAGE_BYTES
    assert min(sizes[:-1]) > PAGE_BYTES / 2, "and no smaller than need be"
    assert lotes[-1].position == await log.newest()


async def test_the_log_is_read_by_its_key(pedidos_db: "Pool[Any]"):
    await criar(pedidos_db, "ana")
    async with em_curso(pedidos_db) as connection:
        await connection.execute("set local enable_seqscan = off; set local enable_sort = off")
        plano = await connection.fetch("explain " + SQL["ler_mudancas"], "5", 5, 1, 20)
        plano += await connection.fetch("explain " + SQL["ultima_mudanca"])
        plano += await connection.fetch("explain " + Queries("reservaestoque.streams")["check_position"], "5", 5)
    texto = "\n".join(linha[0] for linha in plano)
    assert texto.count("using mudanca_pkey") == 3
    assert texto.count("Sort") == texto.count("Incremental Sort") + 1 == 2, "only the changes of one row are sorted"
    assert "Presorted Key: m.transacao, m.id" in texto


async def test_an_empty_log_is_read_from_its_origin(pedidos_db: "Pool[Any]"):
    log = fonte(pedidos_db)
    assert str(await log.newest()) == ""
    assert await log.read(ORIGIN) == Batch([], ORIGIN, False)


async def purge_changes(pool: "Pool[Any]", age: timedelta) -> None:
    class SemRelay:
        def wake(self) -> None: ...

    registro = GroupCommit(pool, SemRelay(), max_batch=9, max_waiting=9, resend_after=NUNCA)
    await retention_jobs(pool, registro, RetentionPeriods(NUNCA, NUNCA, NUNCA, age))["purge mudanca"]()


async def test_purging_keeps_what_is_young_and_always_the_newest(pedidos_db: "Pool[Any]"):
    for _ in range(3):
        await criar(pedidos_db, "ana")
    log = fonte(pedidos_db)
    velha = (await log.read(ORIGIN)).frames[0].position
    await purge_changes(pedidos_db, NUNCA)
    assert await pedidos_db.fetchval("select count(*) from mudanca") == 3
    await pedidos_db.execute("select pg_sleep(0.005)")
    await purge_changes(pedidos_db, JA)
    assert await pedidos_db.fetchval("select count(*) from mudanca") == 1
    for lost in (log.read, log.check):
        with pytest.raises(PositionLostError, match=str(velha)):
            await lost(velha)
    await log.check(await log.newest())
    assert (await log.read(await log.newest())).frames == []


async def test_purging_leaves_no_gap_behind_a_row_that_stays(pedidos_db: "Pool[Any]"):
    for _ in range(4):
        await criar(pedidos_db, "ana")
    # The second is younger than the third: transactions begin and end in any order.
    await pedidos_db.execute(
        "update mudanca set criado_em = agora() + interval '1 day' where id = (select min(id) + 1 from mudanca)"
    )
    await pedidos_db.execute("select pg_sleep(0.005)")
    await purge_changes(pedidos_db, JA)
    assert await pedidos_db.fetchval("select count(*) from mudanca") == 3


async def test_purging_never_takes_what_a_running_transaction_holds_back(pedidos_db: "Pool[Any]"):
    await criar(pedidos_db, "antes")
    async with em_curso(pedidos_db) as velha:
        await criar(velha, "velha")
        await criar(pedidos_db, "nova")
        await pedidos_db.execute("select pg_sleep(0.005)")
        await purge_changes(pedidos_db, JA)
    lote = await fonte(pedidos_db).read(ORIGIN)
    assert [frame.key for frame in lote.frames] == ["antes", "velha", "nova"]


@pytest.mark.parametrize("posicao", [Position(2**62, 1, 1), Position(1, 1, 1)])
async def test_a_position_of_another_database_is_lost(pedidos_db: "Pool[Any]", posicao: Position):
    await criar(pedidos_db, "ana")
    for lost in (fonte(pedidos_db).read, fonte(pedidos_db).check):
        with pytest.raises(PositionLostError):
            await lost(posicao)
