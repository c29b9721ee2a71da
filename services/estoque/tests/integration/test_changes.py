"""The log of changed SKUs: every path that changes a balance writes to it, and readers skip nothing."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from commands import criar, fechar
from no_relay import NoRelay

from estoque.changes import PAGE_SKUS, READ_CHANGES, Changes
from estoque.handler import CommandHandler
from estoque.retention import RetentionPeriods, retention_jobs
from reservaestoque.events import Comando
from reservaestoque.postgres import Queries
from reservaestoque.streams import PAGE_BYTES, ChangeLog, EventPage, Position, PositionLostError
from reservaestoque.streams.position import ORIGIN

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
SQL = Queries("estoque")
INSTANT, DAY = timedelta(microseconds=1), timedelta(days=1)


def source(pool: "Pool[Any]") -> Changes:
    log = ChangeLog(pool, newest=SQL["newest_change"], page=SQL["read_changes"])
    return Changes(log, pool)


async def supply(pool: "Pool[Any]", **targets: int) -> None:
    skus = list(targets)
    await declare(pool, skus, list(targets.values()))


async def declare(pool: "Pool[Any]", skus: list[str], targets: list[int], **options: bool) -> None:
    n = len(skus)
    await pool.fetch(
        "select * from sync_items($1, $1, $1, $2, $3, $4, $5)",
        skus,
        targets,
        [options.get("pausado", False)] * n,
        [None] * n,
        [options.get("deleted", False)] * n,
    )


async def handle(pool: "Pool[Any]", *commands: Comando, ttl: timedelta = timedelta(minutes=30)) -> None:
    assert await CommandHandler(pool, NoRelay(), ttl, timedelta(days=6)).handle(commands) == []


def events(batch: EventPage) -> list[tuple[str, dict[str, Any]]]:
    lines = [frame.data.decode().splitlines() for frame in batch.frames]
    return [(line[0].removeprefix("event: "), json.loads(line[-2].removeprefix("data: "))) for line in lines]


def skus(batch: EventPage) -> list[str]:
    return [data["sku"] for _, data in events(batch)]


async def test_every_path_that_changes_a_balance_is_logged(estoque_db: "Pool[Any]"):
    log, pedido = source(estoque_db), criar(A=2, B=1)
    steps = {
        "declared": (supply(estoque_db, A=10, B=10, C=10), ["A", "B", "C"]),
        "restocked": (supply(estoque_db, A=10, B=11, C=10), ["B"]),
        "reserved": (handle(estoque_db, pedido), ["A", "B"]),
        "sold": (handle(estoque_db, fechar(pedido.data.pedido_id, A=2, B=1)), ["A", "B"]),
        "reserved, soon lapsed": (handle(estoque_db, criar(C=3), ttl=INSTANT), ["C"]),
        "swept": (estoque_db.execute("select sweep_reservas(10)"), ["C"]),
        "renamed by hand": (estoque_db.execute("update estoque set nome = 'x' where sku = 'C'"), ["C"]),
        "deleted by the shop": (declare(estoque_db, ["C"], [10], deleted=True), ["C"]),
        "deleted by hand": (estoque_db.execute("delete from estoque where sku = 'C'"), ["C"]),
    }
    position = await log.newest()
    for step, (action, expected) in steps.items():
        await action
        batch = await log.read(position)
        assert skus(batch) == expected, step
        position = batch.position


async def test_a_plan_made_for_one_sku_logs_many_in_linear_time(estoque_db: "Pool[Any]"):
    """A session plans the trigger's join once. A nested loop takes half a minute for 20,000 SKUs."""
    await estoque_db.execute(
        "insert into estoque (sku, nome, alvo, quantidade) select 'S' || n, '', 9, 9 from generate_series(1, 20000) n"
    )
    async with estoque_db.acquire() as session:
        await session.execute("update estoque set nome = 'one' where sku = 'S1'")
        await session.execute("update estoque set nome = 'all'", timeout=15)
    assert await estoque_db.fetchval("select max(cardinality(skus)) from mudanca") == 20_000


async def test_changes_invisible_to_customers_write_no_row(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=10)
    pedido = criar(A=2)
    await handle(estoque_db, pedido, fechar(pedido.data.pedido_id, A=2))
    before = await estoque_db.fetchval("select count(*) from mudanca")
    await supply(estoque_db, A=10)
    await declare(estoque_db, ["A"], [10], paused=True)
    await handle(estoque_db, pedido, criar(Z=1), criar(A=99))
    await asyncio.sleep(0.01)  # ids carry their millisecond
    await retention_jobs(estoque_db, RetentionPeriods(inbox=INSTANT, ended=INSTANT, changes=DAY))["purge pedido"]()
    assert await estoque_db.fetchval("select arquivado from estoque") == 2
    assert await estoque_db.fetchval("select count(*) from mudanca") == before


async def test_a_sku_appears_once_with_its_current_balance_however_often_it_changed(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=100, B=100)
    log = source(estoque_db)
    start = await log.newest()
    for _ in range(10):
        await handle(estoque_db, criar(A=2))
    await handle(estoque_db, criar(B=1))
    batch = await log.read(start)
    assert events(batch) == [
        (
            "saldo",
            {"sku": "A", "nome": "A", "quantidade": 100, "reservado": 20, "vendido": 0, "disponivel": 80},
        ),
        ("saldo", {"sku": "B", "nome": "B", "quantidade": 100, "reservado": 1, "vendido": 0, "disponivel": 99}),
    ]
    assert [b"\nid: " in frame.data for frame in batch.frames] == [False, True], (
        "a client that received only the first requests it again"
    )
    assert f"id: {batch.position}\n".encode() in batch.frames[-1].data
    assert await log.read(batch.position) == EventPage([], batch.position, False)


async def test_a_sku_no_longer_offered_is_an_encerrado_event(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=1)
    log = source(estoque_db)
    start = await log.newest()
    await declare(estoque_db, ["A"], [1], deleted=True)
    assert events(await log.read(start)) == [("encerrado", {"sku": "A"})]


async def test_nothing_is_skipped_when_an_older_transaction_commits_later(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=1, B=1)
    log = source(estoque_db)
    start = await log.newest()
    async with estoque_db.acquire() as old:
        async with old.transaction():
            await old.execute("update estoque set nome = 'a' where sku = 'A'")
            await estoque_db.execute("update estoque set nome = 'b' where sku = 'B'")
            during = await log.read(start)
            assert skus(during) == []
        assert skus(await log.read(during.position)) == ["A", "B"]


async def pages(log: Changes, after: Position = ORIGIN) -> list[EventPage]:
    """All pages up to the end of the log."""
    read = [await log.read(after)]
    while read[-1].more:
        read.append(await log.read(read[-1].position))
    return read


async def test_a_statement_that_changed_many_skus_is_read_in_pages(estoque_db: "Pool[Any]"):
    every_sku = [f"S{n:04}" for n in range(PAGE_SKUS + 2)]
    await supply(estoque_db, **dict.fromkeys(every_sku, 1))
    for n in range(5):
        await supply(estoque_db, S0001=n + 2)
    read_pages = await pages(source(estoque_db))
    seen = [sku for batch in read_pages for sku in skus(batch)]
    assert seen == [*every_sku, "S0001"], "once per page"
    assert len(read_pages) > 1
    assert all(f"id: {batch.position}\n".encode() in batch.frames[-1].data for batch in read_pages)


async def test_a_hot_sku_is_one_event_however_many_reads_its_changes_take(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=1)
    log = source(estoque_db)
    start = await log.newest()
    await estoque_db.execute(
        "insert into mudanca (skus) select array['A'] from generate_series(1, $1)", 3 * READ_CHANGES
    )
    [batch] = await pages(log, start)
    assert (skus(batch), batch.position) == (["A"], await log.newest())


async def test_a_page_is_bounded_in_bytes_however_long_the_names(estoque_db: "Pool[Any]"):
    every_sku = [f"S{n:04}" for n in range(PAGE_SKUS)]
    await supply(estoque_db, **dict.fromkeys(every_sku, 1))
    await estoque_db.execute("update estoque set nome = repeat('\U0001f455', 200)")
    log = source(estoque_db)
    read_pages = await pages(log)
    assert {sku for batch in read_pages for sku in skus(batch)} == set(every_sku)
    assert all(len(skus(batch)) == len(set(skus(batch))) for batch in read_pages), "once per page"
    assert max(sum(len(frame.data) for frame in batch.frames) for batch in read_pages) <= PAGE_BYTES
    assert read_pages[-1].position == await log.newest()


@pytest.mark.parametrize("name", ["short", "long" * 50])
async def test_a_client_that_stops_after_any_page_misses_nothing(estoque_db: "Pool[Any]", name: str):
    """Every change up to a page's position has appeared, in that page or an earlier one."""
    await supply(estoque_db, **dict.fromkeys([f"S{n:04}" for n in range(1500)], 1))
    await estoque_db.execute("update estoque set nome = $1", name)
    log = source(estoque_db)
    start = await log.newest()
    await estoque_db.execute(
        """insert into mudanca (skus)
           select array(select 'S' || lpad((k * j % 1500)::text, 4, '0') from generate_series(1, 70) j)
           from generate_series(1, 100) k"""
    )
    changes = await estoque_db.fetch(
        """select transacao::text::bigint, id, parte, sku from mudanca, unnest(skus) with ordinality s (sku, parte)
           order by 1, 2, 3"""
    )
    reported, read_pages = set[str](), await pages(log, start)
    for batch in read_pages:
        reported.update(skus(batch))
        assert {sku for *change, sku in changes if start < Position(*change) <= batch.position} <= reported
    assert reported == {sku for *change, sku in changes if Position(*change) > start}
    assert len(read_pages) > 3


async def test_a_purged_position_is_lost_and_the_newest_never_is(estoque_db: "Pool[Any]"):
    await supply(estoque_db, A=1)
    log = source(estoque_db)
    old = await log.newest()
    await supply(estoque_db, A=2)
    await estoque_db.execute("select pg_sleep(0.005)")
    await retention_jobs(estoque_db, RetentionPeriods(inbox=DAY, ended=DAY, changes=INSTANT))["purge mudanca"]()
    with pytest.raises(PositionLostError):
        await log.read(old)
    assert skus(await log.read(await log.newest())) == []
