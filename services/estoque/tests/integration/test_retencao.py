"""Retention on a real PostgreSQL: a step costs the same whatever there is, and forgets nothing early."""

# ruff: noqa: S608 - statements made of nothing but our own words
import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from buffers import Metered
from comandos import criar, fechar
from prometheus_client import REGISTRY

from estoque.consumidor import Consumidor
from estoque.retencao import retention_jobs
from reservaestoque.events import Comando
from reservaestoque.retention import taking_turns

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
DAY = timedelta(days=1)
KEPT = 7 * DAY
MAX_PAGES = 8_000
"""That a step of 1,000 rows may touch: to walk by a row, to lock it and to delete it is two pages each."""

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
"""Two weeks of event ids, in an order in which rows lie when space has been used again."""


class SemRelay:
    def wake(self) -> None: ...


async def tratar(pool: "Pool[Any]", *comandos: Comando) -> None:
    assert await Consumidor(pool, SemRelay(), timedelta(minutes=30), 6 * DAY).handle(comandos) == []


def jobs(pool: Any, kept: timedelta = KEPT) -> Any:
    return retention_jobs(pool, inbox=kept, pedidos=kept, mudancas=kept)


async def test_forgetting_event_ids_costs_the_same_however_many_there_are_and_have_been(estoque_db: "Pool[Any]"):
    """Among a million, the first as the last, without a vacuum of what has been deleted."""
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
    assert meter.pages[-1] < 100, "where nothing is to be done nothing is looked at"


async def test_an_event_id_is_kept_that_came_lately_or_tells_another_age(estoque_db: "Pool[Any]"):
    """Forgotten early, its event could take effect twice."""
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


async def test_what_another_replica_is_deleting_is_skipped(estoque_db: "Pool[Any]"):
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


async def test_orders_that_have_to_stay_are_not_looked_at_in_each_step(estoque_db: "Pool[Any]"):
    """The oldest 5,000 have lapsed and not ended; 3,000 behind them have ended."""
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


async def test_forgetting_changes_costs_the_same_and_leaves_the_newest(estoque_db: "Pool[Any]"):
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


async def test_a_table_that_cannot_be_purged_does_not_keep_the_others_from_it(estoque_db: "Pool[Any]"):
    """Here it is not there: a migration is under way, say."""
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade) values ('A', 'A', 9, 9)")
    vendido = criar(A=1)
    await tratar(estoque_db, vendido, fechar(vendido.data.pedido_id, A=1))
    failed = REGISTRY.get_sample_value("job_failures_total", {"job": "purge inbox"}) or 0
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
        assert REGISTRY.get_sample_value("job_failures_total", {"job": "purge inbox"}) > failed
        await estoque_db.execute("alter table away rename to inbox")
        async with asyncio.timeout(60):
            while await estoque_db.fetchval("select count(*) from inbox"):
                await asyncio.sleep(0.01)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await estoque_db.execute("alter table if exists away rename to inbox")
