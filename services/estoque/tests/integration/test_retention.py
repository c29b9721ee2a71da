"""Retention on a real PostgreSQL: a step costs the same at any table size, and purges nothing early."""

# ruff: noqa: S608 - statements built from constants of this module
import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from buffers import Metered
from commands import criar, fechar
from no_relay import NoRelay
from prometheus_client import REGISTRY

from estoque.handler import CommandHandler
from estoque.retention import RetentionPeriods, retention_jobs
from reservaestoque.events import Comando
from reservaestoque.retention import taking_turns

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
DAY = timedelta(days=1)
KEPT = 7 * DAY
MAX_PAGES = 8_000
"""Limit for a step of 1,000 rows: visiting, locking and deleting a row costs two pages each."""

UUID_V7 = """
    (lpad(to_hex((extract(epoch from {at}) * 1000)::bigint), 12, '0') || '7' || substr(md5({n}::text), 1, 3)
        || '8' || substr(md5({n}::text), 4, 15))::uuid
"""
OF_ALL_AGES = f"""
    insert into inbox (evento_id, recebido_em)
    select {UUID_V7.format(at="a.at", n="a.n")}, a.at
    from (
        select n, now() - n * interval '14 days' / $1 as at from generate_series(1, $1) n order by md5(n::text)
    ) a
"""
"""Two weeks of event ids, in the physical order that reused space produces."""


async def handle(pool: "Pool[Any]", *commands: Comando) -> None:
    assert await CommandHandler(pool, NoRelay(), timedelta(minutes=30), 6 * DAY).handle(commands) == []


def jobs(pool: Any, kept: timedelta = KEPT) -> Any:
    return retention_jobs(pool, RetentionPeriods(inbox=kept, ended=kept, changes=kept))


async def test_purging_event_ids_costs_the_same_at_any_table_size_and_bloat(estoque_db: "Pool[Any]"):
    """The first and the last step among a million rows, without a vacuum of deleted ones."""
    async with estoque_db.acquire() as connection:
        await connection.execute("alter table inbox set (autovacuum_enabled = false)")
        try:
            await connection.execute(OF_ALL_AGES, 1_000_000)
            await connection.execute("analyze inbox")
            meter = Metered(connection)
            step = jobs(meter)["purge inbox"]
            while await step():
                pass
            deleted = await connection.fetchval("select 1000000 - count(*) from inbox")
            await step()
        finally:
            await connection.execute("alter table inbox reset (autovacuum_enabled)")
    assert 500_000 <= deleted < 501_000
    assert len(meter.pages) > 500
    assert max(meter.pages) < MAX_PAGES
    assert meter.pages[-1] < 100, "a step with nothing to do reads nothing"


async def test_an_event_id_received_recently_or_with_a_wrong_timestamp_is_kept(estoque_db: "Pool[Any]"):
    """Purged early, its event could take effect twice."""
    await estoque_db.execute(
        f"""
        insert into inbox (evento_id, recebido_em, recusa) values
            ({UUID_V7.format(at="now() - interval '8 days'", n=1)}, now() - interval '8 days', 'old'),
            ({UUID_V7.format(at="now() - interval '8 days'", n=2)}, now(), 'came late'),
            ({UUID_V7.format(at="now() + interval '8 days'", n=3)}, now() - interval '8 days', 'clock ahead'),
            ('c0ffee00-0000-4000-8000-000000000000', now() - interval '8 days', 'no UUIDv7'),
            ('00000000-0000-4000-8000-000000000000', now(), 'neither')
        """
    )
    await jobs(estoque_db)["purge inbox"]()
    kept = {row["recusa"] for row in await estoque_db.fetch("select recusa from inbox")}
    assert kept == {"came late", "clock ahead", "no UUIDv7", "neither"}


async def test_rows_that_another_replica_is_deleting_are_skipped(estoque_db: "Pool[Any]"):
    await estoque_db.execute(OF_ALL_AGES, 5_000)
    async with estoque_db.acquire() as other, other.transaction():
        await jobs(other)["purge inbox"]()
        async with asyncio.timeout(10):
            step = jobs(estoque_db)["purge inbox"]
            while await step():
                pass
        assert (
            await estoque_db.fetchval("select count(*) from inbox where recebido_em < now() - interval '7 days'")
            == 1000
        )
    assert await estoque_db.fetchval("select count(*) from inbox") == pytest.approx(2_500, abs=5)


async def test_orders_that_must_stay_are_not_read_in_every_step(estoque_db: "Pool[Any]"):
    """The oldest 5,000 have lapsed without ending; the 3,000 after them have ended."""
    await estoque_db.execute(
        f"""
        insert into pedido (id, status, versao, itens, criado_em, atualizado_em)
        select {UUID_V7.format(at="a.at", n="a.n")}, case when n <= 5000 then 'ReservaExpirada' else 'Fechado' end, 1,
            '{{}}', a.at, a.at
        from (select n, now() - interval '20 days' + n * interval '1 second' as at from generate_series(1, 8000) n) a
        """
    )
    async with estoque_db.acquire() as connection:
        meter = Metered(connection)
        step = jobs(meter)["purge pedido"]
        left = []
        while await step():
            left.append(await connection.fetchval("select count(*) from pedido"))
        await step()
    assert left == [8000] * 5 + [7000, 6000, 5000]
    assert max(meter.pages) < 3 * MAX_PAGES
    assert meter.pages[-1] < 100


async def test_purging_changes_costs_the_same_and_leaves_the_newest(estoque_db: "Pool[Any]"):
    async with estoque_db.acquire() as connection:
        await connection.execute("alter table mudanca set (autovacuum_enabled = false)")
        try:
            await connection.execute(
                "insert into mudanca (skus, criado_em) "
                "select '{A}', now() - interval '20 days' from generate_series(1, 200000)"
            )
            await connection.execute("analyze mudanca")
            newest = await connection.fetchval("select max(id) from mudanca")
            meter = Metered(connection)
            step = jobs(meter)["purge mudanca"]
            while await step():
                pass
            await step()
        finally:
            await connection.execute("alter table mudanca reset (autovacuum_enabled)")
        assert [row["id"] for row in await connection.fetch("select id from mudanca")] == [newest]
    assert len(meter.pages) == 201
    assert max(meter.pages) < MAX_PAGES
    assert meter.pages[-1] < 100


async def test_a_table_that_cannot_be_purged_does_not_hold_up_the_others(estoque_db: "Pool[Any]"):
    """Here the table is missing, as during a migration."""
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 9, 9)")
    sold = criar(A=1)
    await handle(estoque_db, sold, fechar(sold.data.pedido_id, A=1))
    failed = REGISTRY.get_sample_value("job_failures_total", {"name": "purge inbox"}) or 0
    await estoque_db.execute("alter table inbox rename to away")
    running = [
        asyncio.create_task(job.run())
        for job in taking_turns(jobs(estoque_db, timedelta(microseconds=1)), every=timedelta(milliseconds=10))
    ]
    try:
        async with asyncio.timeout(30):
            while await estoque_db.fetchval("select count(*) from pedido"):
                await asyncio.sleep(0.01)
            while await estoque_db.fetchval("select count(*) from mudanca") > 1:
                await asyncio.sleep(0.01)
        assert not any(task.done() for task in running)
        assert REGISTRY.get_sample_value("job_failures_total", {"name": "purge inbox"}) > failed
        await estoque_db.execute("alter table away rename to inbox")
        async with asyncio.timeout(60):
            while await estoque_db.fetchval("select count(*) from inbox"):
                await asyncio.sleep(0.01)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await estoque_db.execute("alter table if exists away rename to inbox")
