"""The log of changed orders: one row per statement, read so that nothing is skipped, purged so that a loss shows."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from no_relay import NoRelay

from pedidos.changes import PAGE_CHANGES, Changes
from pedidos.group_commit import GroupCommit
from pedidos.retention import RetentionPeriods, retention_jobs
from reservaestoque.events import new_id
from reservaestoque.postgres import Queries
from reservaestoque.streams import PAGE_BYTES, ChangeLog, EventPage, Position, PositionLostError
from reservaestoque.streams.position import ORIGIN

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
NOW, NEVER = timedelta(microseconds=1), timedelta(days=1)
SQL = Queries("pedidos")


def source(pool: "Pool[Any]") -> Changes:
    log = ChangeLog(pool, newest=SQL["newest_change"], page=SQL["read_changes"])
    return Changes(log)


async def criar(where: Any, *group: str) -> list[UUID]:
    ids = sorted(new_id() for _ in group)
    await where.execute(
        "insert into pedido (id, cliente_id, itens) select *, '[]' from unnest($1::uuid[], $2::text[])", ids, group
    )
    return ids


async def reservar(where: Any, *ids: UUID) -> None:
    await where.execute(
        """update pedido set status = 'EstoqueReservado', versao = versao + 1, expira_em = agora(),
                             atualizado_em = agora() where id = any ($1)""",
        ids,
    )


async def test_a_plan_made_for_one_order_logs_many_in_linear_time(pedidos_db: "Pool[Any]"):
    """A session plans the trigger's join once. A nested loop takes far longer than this timeout."""
    await pedidos_db.execute(
        "insert into pedido (id, cliente_id, itens) "
        "select gen_random_uuid(), 'ana', '[]' from generate_series(1, 40000)"
    )
    async with pedidos_db.acquire() as session:
        change = "update pedido set status = 'Cancelado', versao = versao + 1"
        await session.execute(f"{change} where id = (select id from pedido limit 1)")  # noqa: S608 - our own text
        await session.execute(change, timeout=15)
    assert await pedidos_db.fetchval("select max(cardinality(pedidos)) from mudanca where versoes @> '{2}'") == 40_000


async def pages(log: Changes, after: Position = ORIGIN) -> list[EventPage]:
    """All pages up to the end of the log."""
    read = [await log.read(after)]
    while read[-1].more:
        read.append(await log.read(read[-1].position))
    return read


def data(batch: EventPage) -> list[dict[str, Any]]:
    return [json.loads(frame.data.split(b"\ndata: ")[1]) for frame in batch.frames]


def pedidos(batch: EventPage) -> list[str]:
    return [event["pedidoId"] for event in data(batch)]


@asynccontextmanager
async def under_way(pool: "Pool[Any]") -> AsyncIterator[Any]:
    """A transaction that has written something, and is committed when the block ends."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


async def test_a_statement_is_one_row_and_each_order_in_it_an_event(pedidos_db: "Pool[Any]"):
    ids = await criar(pedidos_db, "ana", "bia")
    await reservar(pedidos_db, *ids)
    assert await pedidos_db.fetchval("select count(*) from mudanca") == 2
    batch = await source(pedidos_db).read(ORIGIN)
    assert [(e["pedidoId"], e["clienteId"], e["status"], e["versao"]) for e in data(batch)] == [
        (str(ids[0]), "ana", "Criado", 0),
        (str(ids[1]), "bia", "Criado", 0),
        (str(ids[0]), "ana", "EstoqueReservado", 1),
        (str(ids[1]), "bia", "EstoqueReservado", 1),
    ]
    assert [frame.key for frame in batch.frames] == ["ana", "bia", "ana", "bia"]
    assert not batch.more
    row = await pedidos_db.fetchrow("select atualizado_em, expira_em from pedido where id = $1", ids[0])
    event = data(batch)[2]
    assert event["atualizadoEm"].endswith("Z")
    assert datetime.fromisoformat(event["atualizadoEm"]) == row["atualizado_em"]
    assert datetime.fromisoformat(event["expiraEm"]) == row["expira_em"]


async def test_times_are_utc_whatever_the_session_time_zone(pedidos_db: "Pool[Any]"):
    async with under_way(pedidos_db) as connection:
        await connection.execute("set local timezone = 'America/Sao_Paulo'")
        await criar(connection, "ana")
    assert data(await source(pedidos_db).read(ORIGIN))[0]["atualizadoEm"].endswith("Z")


async def test_invisible_changes_write_no_row(pedidos_db: "Pool[Any]"):
    ids = await criar(pedidos_db, "ana")
    before = await pedidos_db.fetchval("select count(*) from mudanca")
    await pedidos_db.execute("update pedido set itens = '[]', atualizado_em = agora()")
    await pedidos_db.execute("update pedido set versao = versao where id = $1", new_id())
    await criar(pedidos_db)
    await pedidos_db.execute("delete from pedido where id = $1", ids[0])
    assert await pedidos_db.fetchval("select count(*) from mudanca") == before


async def test_nothing_is_skipped_when_an_older_transaction_commits_later(pedidos_db: "Pool[Any]"):
    await criar(pedidos_db, "before")
    log = source(pedidos_db)
    start = await log.newest()
    async with under_way(pedidos_db) as old:
        [first] = await criar(old, "older")
        [second] = await criar(pedidos_db, "newer")
        assert await pedidos_db.fetchval("select count(*) from pedido") == 2, "the newer one is committed"
        during = await log.read(start)
        assert pedidos(during) == [], "sent now, it would hide the older one from clients that resume from its id"
        assert await log.newest() == start
    after = await log.read(during.position)
    assert pedidos(after) == [str(first), str(second)]
    for n, frame in enumerate(after.frames):
        assert pedidos(await log.read(frame.position)) == [str(first), str(second)][n + 1 :]


async def test_an_id_in_the_middle_of_a_row_resumes_in_that_row(pedidos_db: "Pool[Any]"):
    ids = [str(i) for i in await criar(pedidos_db, "a", "b", "c")]
    log = source(pedidos_db)
    everything = await log.read(ORIGIN)
    assert pedidos(await log.read(everything.frames[0].position)) == ids[1:]
    assert pedidos(await log.read(everything.position)) == []
    assert (await log.read(everything.position)).position == everything.position == await log.newest()


async def test_pages_are_bounded_and_follow_one_another(pedidos_db: "Pool[Any]"):
    expected = [str(one) for n in range(1, 40) for one in await criar(pedidos_db, *["ana"] * n)]
    batches = await pages(source(pedidos_db))
    assert [one for batch in batches for one in pedidos(batch)] == expected
    assert all(len(batch.frames) <= PAGE_CHANGES for batch in batches)
    assert len(batches) == 7


async def test_a_page_is_bounded_in_bytes_however_many_orders_one_statement_changed(pedidos_db: "Pool[Any]"):
    ids = await criar(pedidos_db, *['"' * 128] * 700)  # twice as long in JSON
    log = source(pedidos_db)
    batches = await pages(log)
    assert [one for batch in batches for one in pedidos(batch)] == [str(one) for one in ids]
    sizes = [sum(len(frame.data) for frame in batch.frames) for batch in batches]
    assert max(sizes) <= PAGE_BYTES
    assert min(sizes[:-1]) > PAGE_BYTES / 2, "and no smaller than necessary"
    assert batches[-1].position == await log.newest()


async def test_the_log_is_read_by_its_key(pedidos_db: "Pool[Any]"):
    await criar(pedidos_db, "ana")
    async with under_way(pedidos_db) as connection:
        await connection.execute("set local enable_seqscan = off; set local enable_sort = off")
        plan = await connection.fetch("explain " + SQL["read_changes"], "5", 5, 1, 20)
        plan += await connection.fetch("explain " + SQL["newest_change"])
        plan += await connection.fetch("explain " + Queries("reservaestoque.streams")["check_position"], "5", 5)
    text = "\n".join(row[0] for row in plan)
    assert text.count("using mudanca_pkey") == 3
    assert text.count("Sort") == text.count("Incremental Sort") + 1 == 2, "only the changes of one row are sorted"
    assert "Presorted Key: m.transacao, m.id" in text


async def test_an_empty_log_is_read_from_its_origin(pedidos_db: "Pool[Any]"):
    log = source(pedidos_db)
    assert str(await log.newest()) == ""
    assert await log.read(ORIGIN) == EventPage([], ORIGIN, False)


async def purge_changes(pool: "Pool[Any]", age: timedelta) -> None:
    group_commit = GroupCommit(pool, NoRelay(), max_batch=9, max_waiting=9, resend_after=NEVER)
    await retention_jobs(pool, group_commit, RetentionPeriods(NEVER, NEVER, NEVER, age))["purge mudanca"]()


async def test_purging_keeps_recent_rows_and_always_the_newest(pedidos_db: "Pool[Any]"):
    for _ in range(3):
        await criar(pedidos_db, "ana")
    log = source(pedidos_db)
    old = (await log.read(ORIGIN)).frames[0].position
    await purge_changes(pedidos_db, NEVER)
    assert await pedidos_db.fetchval("select count(*) from mudanca") == 3
    await pedidos_db.execute("select pg_sleep(0.005)")
    await purge_changes(pedidos_db, NOW)
    assert await pedidos_db.fetchval("select count(*) from mudanca") == 1
    for lost in (log.read, log.check):
        with pytest.raises(PositionLostError, match=str(old)):
            await lost(old)
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
    await purge_changes(pedidos_db, NOW)
    assert await pedidos_db.fetchval("select count(*) from mudanca") == 3


async def test_purging_never_removes_rows_held_back_by_a_running_transaction(pedidos_db: "Pool[Any]"):
    await criar(pedidos_db, "before")
    async with under_way(pedidos_db) as old:
        await criar(old, "older")
        await criar(pedidos_db, "newer")
        await pedidos_db.execute("select pg_sleep(0.005)")
        await purge_changes(pedidos_db, NOW)
    batch = await source(pedidos_db).read(ORIGIN)
    assert [frame.key for frame in batch.frames] == ["before", "older", "newer"]


@pytest.mark.parametrize("position", [Position(2**62, 1, 1), Position(1, 1, 1)])
async def test_a_position_of_another_database_is_lost(pedidos_db: "Pool[Any]", position: Position):
    await criar(pedidos_db, "ana")
    for lost in (source(pedidos_db).read, source(pedidos_db).check):
        with pytest.raises(PositionLostError):
            await lost(position)
