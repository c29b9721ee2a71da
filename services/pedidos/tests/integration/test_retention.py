"""Retention on a real PostgreSQL: a step costs the same at any table size and age, and keeps rows that must stay."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from buffers import Metered

# ruff: noqa: S608 - statements built from constants of this module
from no_relay import NoRelay
from structlog.testing import capture_logs

from pedidos.group_commit import GroupCommit
from pedidos.retention import RetentionPeriods, retention_jobs

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
DAY = timedelta(days=1)
MAX_PAGES = 8_000
"""Limit for a step of 1,000 rows: visiting, locking and deleting a row costs two pages each."""

UUID_V7 = """
    (lpad(to_hex((extract(epoch from {at}) * 1000)::bigint), 12, '0') || '7' || substr(md5({n}::text), 1, 3)
        || '8' || substr(md5({n}::text), 4, 15))::uuid
"""


def jobs(pool: Any, kept: timedelta = DAY) -> Any:
    group_commit = GroupCommit(pool, NoRelay(), max_batch=9, max_waiting=9, resend_after=DAY)
    return retention_jobs(pool, group_commit, RetentionPeriods(kept, kept, kept, kept))


async def remaining(connection: Any, table: str) -> int:
    return await connection.fetchval(f"select count(*) from {table}")


async def test_purging_keys_costs_the_same_at_any_table_size_and_bloat(pedidos_db: "Pool[Any]"):
    """Two days of commands, in the physical order that reused space produces; none is vacuumed meanwhile."""
    async with pedidos_db.acquire() as connection:
        await connection.execute("alter table idempotencia set (autovacuum_enabled = false)")
        try:
            await connection.execute(
                """
                insert into idempotencia (cliente_id, caminho, chave, corpo, pedido_id, comando_id, criado_em)
                select 'ana', '/pedidos', n::text, '', gen_random_uuid(), gen_random_uuid(),
                    now() - n * interval '48 hours' / 300000
                from generate_series(1, 300000) n order by md5(n::text)
                """
            )
            await connection.execute("analyze idempotencia")
            meter = Metered(connection)
            step = jobs(meter)["purge idempotencia"]
            while await step():
                pass
            await step()
        finally:
            await connection.execute("alter table idempotencia reset (autovacuum_enabled)")
        assert 149_000 < await remaining(connection, "idempotencia") <= 150_000
    assert len(meter.pages) > 150
    assert max(meter.pages) < MAX_PAGES
    assert meter.pages[-1] < 100, "with nothing to do, nothing is read"


async def test_a_reclaimed_key_counts_as_new(pedidos_db: "Pool[Any]"):
    await pedidos_db.execute(
        "insert into idempotencia (cliente_id, caminho, chave, corpo, pedido_id, comando_id, criado_em) "
        "values ('ana', '/pedidos', 'k', '', gen_random_uuid(), gen_random_uuid(), now() - interval '2 days')"
    )
    await pedidos_db.execute("update idempotencia set criado_em = now()")
    await jobs(pedidos_db)["purge idempotencia"]()
    assert await remaining(pedidos_db, "idempotencia") == 1


async def test_commands_that_must_stay_are_not_read_in_every_step(pedidos_db: "Pool[Any]"):
    """The oldest 5,000 made three-day reservations that still hold; the 3,000 after them are finished."""
    await pedidos_db.execute(
        f"""
        insert into pedido (id, cliente_id, itens, status, versao, expira_em, criado_em, perguntar_em)
        select {UUID_V7.format(at="a.at", n="a.n")}, 'ana', '[]', 'EstoqueReservado', 1, now() + interval '1 day',
            a.at, case when n <= 5000 then now() + interval '1 day' end
        from (select n, now() - interval '50 hours' + n * interval '1 second' as at from generate_series(1, 8000) n) a
        """
    )
    await pedidos_db.execute("update pedido set causa = id")
    await pedidos_db.execute(
        "insert into comando (id, pedido_id, tipo, criado_em, respondido_em) "
        "select id, id, 'PedidoCriado', criado_em, criado_em from pedido"
    )
    await pedidos_db.execute("analyze pedido, comando")
    async with pedidos_db.acquire() as connection:
        meter = Metered(connection)
        step = jobs(meter)["purge comando"]
        left = []
        while await step():
            left.append(await remaining(connection, "comando"))
        await step()
    assert left == [8000] * 5 + [7000, 6000, 5000]
    assert max(meter.pages) < 2 * MAX_PAGES
    assert meter.pages[-1] < 100


async def test_orders_that_must_stay_are_not_read_in_every_step(pedidos_db: "Pool[Any]"):
    await pedidos_db.execute(
        f"""
        insert into pedido (id, cliente_id, itens, status, versao, atualizado_em)
        select {UUID_V7.format(at="a.at", n="a.n")}, 'ana', '[]',
            case when n <= 5000 then 'ReservaExpirada' else 'Fechado' end, 1, a.at
        from (select n, now() - interval '50 hours' + n * interval '1 second' as at from generate_series(1, 8000) n) a
        """
    )
    async with pedidos_db.acquire() as connection:
        meter = Metered(connection)
        step = jobs(meter)["purge pedido"]
        left = []
        while await step():
            left.append(await remaining(connection, "pedido"))
        await step()
    assert left == [8000] * 5 + [7000, 6000, 5000]
    assert max(meter.pages) < MAX_PAGES
    assert meter.pages[-1] < 100


@pytest.mark.parametrize("asked", [0, 20_000])
async def test_apparently_abandoned_orders_are_found_among_many_that_are_not(pedidos_db: "Pool[Any]", asked: int):
    """The oldest live on, as customers renew them; and a broker that is down leaves many commands unanswered."""
    await pedidos_db.execute(
        f"""
        insert into pedido (id, cliente_id, itens, status, versao, expira_em)
        select {UUID_V7.format(at="a.at", n="a.n")}, 'ana', '[]', 'EstoqueReservado', n,
            case when n <= 2000 then now() + interval '1 hour' else a.at end
        from (select n, now() - interval '3 days' + n * interval '1 second' as at from generate_series(1, 2003) n) a
        """
    )
    await pedidos_db.execute(
        "insert into comando (id, pedido_id, tipo, reenviar_em) "
        "select gen_random_uuid(), gen_random_uuid(), 'PedidoCriado', now() from generate_series(1, $1)",
        asked,
    )
    await pedidos_db.execute("analyze pedido, comando")
    async with pedidos_db.acquire() as connection:
        meter = Metered(connection)
        step = jobs(meter)["cancel unheard lapses"]
        with capture_logs() as logs:
            while await step():
                pass
        cancelled = await connection.fetch("select pedido_id, se_versao from comando where tipo = 'CancelarPedido'")
    assert sorted(row["se_versao"] for row in cancelled) == [2001, 2002, 2003]
    named = [pedido for log in logs if log["event"] == "unheard_lapses_cancelled" for pedido in log["pedidos"]]
    assert sorted(named) == sorted(str(row["pedido_id"]) for row in cancelled)
    assert len(meter.pages) == 21 + 1, "the steps of the walk, and the write"
    assert max(meter.pages) < 1_000
