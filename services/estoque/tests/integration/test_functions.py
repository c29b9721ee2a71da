"""The SQL functions that the operator calls, called with the operator's role."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from conferir import ledger
from local_system import System
from reservaestoque.events import new_id

pytestmark = pytest.mark.integration


@pytest.fixture
async def operador(backing: System, estoque_db: "asyncpg.Pool[Any]") -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(backing.database_url("estoque", "operador"))
    yield connection
    await connection.close()
    assert await ledger.violations(estoque_db) == []


async def declare(
    operador: "asyncpg.Connection[Any]", *itens: tuple[str, str, int], paused: bool = False, deleted: bool = False
) -> list[dict[str, Any]]:
    n = len(itens)
    rows = await operador.fetch(
        "select * from sync_items($1, $2, $2, $3, $4, $5, $6)",
        [i[0] for i in itens],
        [i[1] for i in itens],
        [i[2] for i in itens],
        [paused] * n,
        [None] * n,
        [deleted] * n,
    )
    return [dict(row) for row in rows]


async def reserve(pool: "asyncpg.Pool[Any]", quantidade: int, sku: str = "A", *, lapses_in: str = "1 hour") -> None:
    await pool.execute(
        """with p as (insert into pedido (id, status, versao, itens, expira_em)
                   values (gen_random_uuid(), 'EstoqueReservado', 1,
                           jsonb_build_object($1::text, $2::int), agora() + $3::text::interval)
                   returning id, expira_em),
              r as (insert into reserva (pedido_id, sku, quantidade, expira_em)
                    select id, $1, $2, expira_em from p)
           update estoque set reservado = reservado + $2 where sku = $1""",
        sku,
        quantidade,
        lapses_in,
    )


async def test_a_claim_and_a_restock_take_effect_and_a_repetition_writes_nothing(operador: "asyncpg.Connection[Any]"):
    [row] = await declare(operador, ("loja/a", "A", 5))
    assert (row["dono_atual"], row["situacao"], row["disponivel"]) == ("loja/a", "Ativo", 5)
    [row] = await declare(operador, ("loja/a", "A", 8))
    assert row["disponivel"] == 8
    before = await operador.fetchval("select alterado_em from read_saldos()")
    await declare(operador, ("loja/a", "A", 8))
    assert await operador.fetchval("select alterado_em from read_saldos()") == before, "nothing was written"


async def test_a_conflict_names_the_owner_and_ends_when_it_is_deleted(operador: "asyncpg.Connection[Any]"):
    one, other = await declare(operador, ("loja/a", "A", 5), ("other/a", "A", 9))
    assert one["dono_atual"] == other["dono_atual"] == "loja/a"
    assert other["alvo"] == 5
    [refused] = await declare(operador, ("other/a", "A", 9), deleted=True)
    assert refused["dono_atual"] == "loja/a", "deleting it changes nothing"
    assert refused["situacao"] == "Ativo"
    await declare(operador, ("loja/a", "A", 5), deleted=True)
    [row] = await declare(operador, ("other/a", "A", 9))
    assert (row["dono_atual"], row["alvo"]) == ("other/a", 9)


async def test_supply_lowered_below_committed_falls_with_each_release(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await declare(operador, ("loja/a", "A", 10))
    await reserve(estoque_db, 4)
    await reserve(estoque_db, 4, lapses_in="0.2 seconds")
    [row] = await declare(operador, ("loja/a", "A", 3))
    assert (row["alvo"], row["quantidade"], row["disponivel"]) == (3, 8, 0)
    await operador.execute("select pg_sleep(0.25)")
    assert await operador.fetchval("select sweep_reservas(10)") == 1
    [saldo] = await operador.fetch("select quantidade, reservado, disponivel from read_saldos()")
    assert tuple(saldo) == (4, 4, 0)


async def test_lapsed_units_are_not_committed(operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"):
    await declare(operador, ("loja/a", "A", 10))
    await reserve(estoque_db, 8, lapses_in="-1 second")
    [saldo] = await operador.fetch("select reservado, disponivel from read_saldos()")
    assert tuple(saldo) == (0, 10)
    [row] = await declare(operador, ("loja/a", "A", 3))
    assert (row["quantidade"], row["disponivel"]) == (3, 3)
    assert await operador.fetchval("select sweep_reservas(10)") == 1


async def test_deletion_waits_for_reservations_and_sold_units_stay(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await declare(operador, ("loja/a", "A", 10))
    await reserve(estoque_db, 2, lapses_in="0.2 seconds")
    [row] = await declare(operador, ("loja/a", "A", 10), deleted=True)
    assert (row["situacao"], row["dono_atual"]) == ("Encerrando", "loja/a")
    await operador.execute("select pg_sleep(0.25)")
    [row] = await declare(operador, ("loja/a", "A", 10), deleted=True)
    assert (row["situacao"], row["dono_atual"]) == ("Encerrado", None)
    await operador.fetchval("select sweep_reservas(10)")
    await estoque_db.execute(
        """with p as (insert into pedido (id, status, versao, itens)
                   values (gen_random_uuid(), 'Fechado', 1, '{"A": 7}') returning id),
              r as (insert into reserva (pedido_id, sku, quantidade, expira_em, vendida)
                    select id, 'A', 7, agora(), true from p)
           update estoque set vendido = 7 where sku = 'A'"""
    )
    [row] = await declare(operador, ("loja/a", "A", 10))
    assert (row["situacao"], row["vendido"], row["disponivel"]) == ("Ativo", 7, 3)


async def test_the_lag_is_the_age_of_the_oldest_unswept_lapse(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    lag = "select extract(epoch from sweep_lag())::float"
    assert await operador.fetchval(lag) == 0
    await declare(operador, ("loja/a", "A", 10))
    await reserve(estoque_db, 1)
    assert await operador.fetchval(lag) == 0, "nothing has lapsed"
    await reserve(estoque_db, 1, lapses_in="-90 seconds")
    await reserve(estoque_db, 1, lapses_in="-5 seconds")
    assert 90 <= await operador.fetchval(lag) < 100
    assert await operador.fetchval("select sweep_reservas(1)") == 1
    assert 5 <= await operador.fetchval(lag) < 15
    assert await operador.fetchval("select sweep_reservas(1)") == 1
    assert await operador.fetchval(lag) == 0


async def test_paused_and_unknown_skus_are_reported(operador: "asyncpg.Connection[Any]"):
    [row] = await declare(operador, ("loja/a", "A", 10), paused=True)
    assert row["situacao"] == "Pausado"
    [row] = await declare(operador, ("loja/z", "Z", 0), deleted=True)
    assert row["dono_atual"] is None
    assert row["quantidade"] is None


Position = tuple[int, int, int]


async def newest_change(operador: "asyncpg.Connection[Any]") -> Position:
    return tuple(await operador.fetchrow("select transacao, mudanca, parte from newest_change()"))


async def changed_since(
    operador: "asyncpg.Connection[Any]", position: Position, limit: int = 500
) -> tuple[list[str], Position]:
    """The SKUs that changed, and the position after them."""
    rows = await operador.fetch("select * from saldos_since($1, $2, $3, $4)", *position, limit)
    assert len({(r["transacao"], r["mudanca"], r["parte"], r["changes_read"]) for r in rows}) == 1
    return [r["sku"] for r in rows if r["sku"]], (rows[0]["transacao"], rows[0]["mudanca"], rows[0]["parte"])


async def test_changes_since_a_position_contain_each_sku_once(operador: "asyncpg.Connection[Any]"):
    await declare(operador, ("loja/a", "A", 10), ("loja/b", "B", 10))
    start = await newest_change(operador)
    assert await changed_since(operador, start) == ([], start)
    for quantidade in (11, 12):
        await declare(operador, ("loja/b", "B", quantidade))
    [row] = await operador.fetch("select * from saldos_since($1, $2, $3, 9)", *start)
    assert (row["sku"], row["dono"], row["alvo"], row["disponivel"]) == ("B", "loja/b", 12, 12), "as it is now"
    end = (row["transacao"], row["mudanca"], row["parte"])
    assert end == await newest_change(operador)
    assert await changed_since(operador, end) == ([], end)


async def test_pages_of_changes_miss_nothing(operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"):
    """A page ends in the middle of a statement that changed many rows."""
    skus = [f"S{n:04}" for n in range(1000)]
    await declare(operador, ("loja/a", "A", 10))
    position = await newest_change(operador)
    await declare(operador, *(("loja/" + sku.lower(), sku, 10) for sku in skus))
    read, pages = list[str](), 0
    while True:
        page, position = await changed_since(operador, position, 70)
        if not page:
            break
        read, pages = read + page, pages + 1
        if pages == 1:  # one that was read and one that was not change again
            again = "update estoque set alvo = 11, quantidade = 11 where sku = any ($1)"
            await estoque_db.execute(again, [read[0], skus[-1]])
    assert sorted(set(read)) == skus
    assert len(read) in {len(skus) + 1, len(skus) + 2}, "each once per page"
    assert pages > 1000 // 70


async def test_changes_that_older_ones_may_still_follow_are_not_read_yet(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await declare(operador, ("loja/a", "A", 10), ("loja/b", "B", 10))
    start = await newest_change(operador)
    change = "update estoque set alvo = 11, quantidade = 11 where sku = $1"
    async with estoque_db.acquire() as slow, slow.transaction():
        await slow.execute(change, "A")
        await estoque_db.execute(change, "B")
        assert await changed_since(operador, start) == ([], start), "A may still appear before B"
    assert sorted((await changed_since(operador, start))[0]) == ["A", "B"]


async def test_a_position_whose_change_was_purged_is_lost(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await declare(operador, ("loja/a", "A", 10))
    start = await newest_change(operador)
    await declare(operador, ("loja/a", "A", 11))
    await estoque_db.execute("delete from mudanca where (transacao, id) = ($1::bigint::text::xid8, $2)", *start[:2])
    assert await operador.fetch("select * from saldos_since($1, $2, $3, 9)", *start) == []


async def test_a_row_that_is_gone_has_no_balance(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await declare(operador, ("loja/a", "A", 10))
    start = await newest_change(operador)
    await estoque_db.execute("delete from estoque")
    page, position = await changed_since(operador, start)
    assert page == []
    assert position > start


@pytest.mark.parametrize(
    "forbidden",
    [
        "select * from estoque",
        "update estoque set vendido = 0",
        "select * from pedido",
        "insert into outbox (quantos, pedidos, versoes, status, itens_em_falta) "
        "values (1, array[gen_random_uuid()], '{1}', '{x}', '{[]}')",
        "select * from saldo",
        "select * from mudanca",
        "select * from release_lapsed('{A}', '{1}', now())",
        "create table minha (id int)",
    ],
)
async def test_the_operators_role_may_do_nothing_else(operador: "asyncpg.Connection[Any]", forbidden: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await operador.execute(forbidden)


async def test_a_balance_reads_the_lapsed_lines_of_its_sku_alone(estoque_db: "asyncpg.Pool[Any]"):
    async with estoque_db.acquire() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
        plan = await connection.fetch("explain select disponivel from saldo where sku = 'A'")
    [scan] = [line[0] for line in plan if "Index Cond" in line[0] and "expira_em" in line[0]]
    assert "expira_em <=" in scan
    assert not any("Filter" in line[0] and "expira_em" in line[0] for line in plan)


async def test_lapsed_lines_are_released_without_reading_those_of_other_orders(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await declare(operador, ("loja/a", "A", 10_000), ("loja/b", "B", 10_000))
    async with estoque_db.acquire() as connection, connection.transaction():
        await connection.execute(
            """with p as (insert into pedido (id, status, versao, itens, expira_em)
                       select gen_random_uuid(), 'EstoqueReservado', 1, jsonb_build_object(sku, 1),
                              now() - n * interval '1 second'
                       from generate_series(1, 5000) n, unnest('{A,B}'::text[]) sku
                       returning id, itens, expira_em),
                  r as (insert into reserva (pedido_id, sku, quantidade, expira_em)
                        select id, jsonb_object_keys(itens), 1, expira_em from p)
               update estoque set reservado = 5000"""
        )
        await connection.execute("analyze reserva")
        rows_read = "select seq_tup_read from pg_stat_xact_user_tables where relname = 'reserva'"
        before = await connection.fetchval(rows_read)
        released = await connection.fetch("select * from release_lapsed('{A,B}', '{3,2}', agora())")
        assert sorted(map(tuple, released)) == [("A", 3), ("B", 2)]
        assert await connection.fetchval(rows_read) == before
        span = "select extract(epoch from max(expira_em) - min(expira_em))::int, count(*) from reserva where sku = $1"
        left = [tuple(await connection.fetchrow(span, sku)) for sku in "AB"]
        assert left == [(4996, 4997), (4997, 4998)], "all were a second apart, and the oldest have gone"


async def test_the_sweep_skips_orders_that_need_a_locked_sku(estoque_db: "asyncpg.Pool[Any]"):
    """The other orders are swept; no units of an unlocked row are released."""
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade, reservado) values ('A', '', 9, 9, 2)")
    await estoque_db.execute("insert into estoque (sku, nome, alvo, quantidade, reservado) values ('B', '', 9, 9, 2)")
    ids = [new_id() for _ in range(3)]
    for pedido, skus in zip(ids, (["A"], ["B"], ["A", "B"]), strict=True):
        await estoque_db.execute(
            "insert into pedido (id, status, versao, itens, expira_em) "
            "values ($1, 'EstoqueReservado', 1, $2, now() - interval '1 s')",
            pedido,
            json.dumps(dict.fromkeys(skus, 1)),
        )
        for sku in skus:
            await estoque_db.execute(
                "insert into reserva (pedido_id, sku, quantidade, expira_em) "
                "select id, $2, 1, expira_em from pedido where id = $1",
                pedido,
                sku,
            )
    async with estoque_db.acquire() as sweeping, estoque_db.acquire() as other, other.transaction():
        await other.execute("select from estoque where sku = 'A' for update")
        await sweeping.execute("set lock_timeout = 100")
        assert await sweeping.fetchval("select sweep_reservas(10)") == 1
        assert await sweeping.fetchval("select id from pedido where status = 'ReservaExpirada'") == ids[1]
        await sweeping.execute("reset lock_timeout")
    assert await estoque_db.fetchval("select sweep_reservas(10)") == 2
    assert await ledger.violations(estoque_db) == []
