"""The SQL functions that the operator calls, with the role that it calls them with."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from conferir import livro
from local_system import System
from reservaestoque.events import new_id

pytestmark = pytest.mark.integration


@pytest.fixture
async def operador(backing: System, estoque_db: "asyncpg.Pool[Any]") -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(backing.database_url("estoque", "operador"))
    yield connection
    await connection.close()
    assert await livro.violacoes(estoque_db) == []


async def sincronizar(
    operador: "asyncpg.Connection[Any]", *itens: tuple[str, str, int], pausado: bool = False, encerrar: bool = False
) -> list[dict[str, Any]]:
    n = len(itens)
    rows = await operador.fetch(
        "select * from sincronizar_itens($1, $2, $2, $3, $4, $5, $6)",
        [i[0] for i in itens],
        [i[1] for i in itens],
        [i[2] for i in itens],
        [pausado] * n,
        [None] * n,
        [encerrar] * n,
    )
    return [dict(row) for row in rows]


async def reservar(pool: "asyncpg.Pool[Any]", quantidade: int, sku: str = "A", *, vence: str = "1 hour") -> None:
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
        vence,
    )


async def test_claim_restock_and_repeat(operador: "asyncpg.Connection[Any]"):
    [feito] = await sincronizar(operador, ("loja/a", "A", 5))
    assert (feito["dono_atual"], feito["situacao"], feito["disponivel"]) == ("loja/a", "Ativo", 5)
    [feito] = await sincronizar(operador, ("loja/a", "A", 8))
    assert feito["disponivel"] == 8
    antes = await operador.fetchval("select alterado_em from ler_saldos(null)")
    await sincronizar(operador, ("loja/a", "A", 8))
    assert await operador.fetchval("select alterado_em from ler_saldos(null)") == antes, "nothing was written"


async def test_conflict_names_the_owner_and_ends_with_it(operador: "asyncpg.Connection[Any]"):
    um, outro = await sincronizar(operador, ("loja/a", "A", 5), ("outra/a", "A", 9))
    assert um["dono_atual"] == outro["dono_atual"] == "loja/a"
    assert outro["alvo"] == 5
    [recusado] = await sincronizar(operador, ("outra/a", "A", 9), encerrar=True)
    assert recusado["dono_atual"] == "loja/a", "deleting it changes nothing"
    assert recusado["situacao"] == "Ativo"
    await sincronizar(operador, ("loja/a", "A", 5), encerrar=True)
    [feito] = await sincronizar(operador, ("outra/a", "A", 9))
    assert (feito["dono_atual"], feito["alvo"]) == ("outra/a", 9)


async def test_lower_than_committed_falls_with_each_release(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await sincronizar(operador, ("loja/a", "A", 10))
    await reservar(estoque_db, 4)
    await reservar(estoque_db, 4, vence="0.2 seconds")
    [feito] = await sincronizar(operador, ("loja/a", "A", 3))
    assert (feito["alvo"], feito["quantidade"], feito["disponivel"]) == (3, 8, 0)
    await operador.execute("select pg_sleep(0.25)")
    assert await operador.fetchval("select expirar_reservas(10)") == 1
    [saldo] = await operador.fetch("select quantidade, reservado, disponivel from ler_saldos(null)")
    assert tuple(saldo) == (4, 4, 0)


async def test_lapsed_units_are_not_committed(operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"):
    await sincronizar(operador, ("loja/a", "A", 10))
    await reservar(estoque_db, 8, vence="-1 second")
    [saldo] = await operador.fetch("select reservado, disponivel from ler_saldos(null)")
    assert tuple(saldo) == (0, 10)
    [feito] = await sincronizar(operador, ("loja/a", "A", 3))
    assert (feito["quantidade"], feito["disponivel"]) == (3, 3)
    assert await operador.fetchval("select expirar_reservas(10)") == 1


async def test_deletion_waits_for_reservations_and_sold_units_stay(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await sincronizar(operador, ("loja/a", "A", 10))
    await reservar(estoque_db, 2, vence="0.2 seconds")
    [feito] = await sincronizar(operador, ("loja/a", "A", 10), encerrar=True)
    assert (feito["situacao"], feito["dono_atual"]) == ("Encerrando", "loja/a")
    await operador.execute("select pg_sleep(0.25)")
    [feito] = await sincronizar(operador, ("loja/a", "A", 10), encerrar=True)
    assert (feito["situacao"], feito["dono_atual"]) == ("Encerrado", None)
    await operador.fetchval("select expirar_reservas(10)")
    await estoque_db.execute(
        """with p as (insert into pedido (id, status, versao, itens)
                   values (gen_random_uuid(), 'Fechado', 1, '{"A": 7}') returning id),
              r as (insert into reserva (pedido_id, sku, quantidade, expira_em, vendida)
                    select id, 'A', 7, agora(), true from p)
           update estoque set vendido = 7 where sku = 'A'"""
    )
    [feito] = await sincronizar(operador, ("loja/a", "A", 10))
    assert (feito["situacao"], feito["vendido"], feito["disponivel"]) == ("Ativo", 7, 3)


async def test_the_lag_is_the_age_of_what_is_not_swept(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    atraso = "select extract(epoch from atraso_da_expiracao())::float"
    assert await operador.fetchval(atraso) == 0
    await sincronizar(operador, ("loja/a", "A", 10))
    await reservar(estoque_db, 1)
    assert await operador.fetchval(atraso) == 0, "nothing has lapsed"
    await reservar(estoque_db, 1, vence="-90 seconds")
    await reservar(estoque_db, 1, vence="-5 seconds")
    assert 90 <= await operador.fetchval(atraso) < 100
    assert await operador.fetchval("select expirar_reservas(1)") == 1
    assert 5 <= await operador.fetchval(atraso) < 15
    assert await operador.fetchval("select expirar_reservas(1)") == 1
    assert await operador.fetchval(atraso) == 0


async def test_paused_and_unknown(operador: "asyncpg.Connection[Any]"):
    [feito] = await sincronizar(operador, ("loja/a", "A", 10), pausado=True)
    assert feito["situacao"] == "Pausado"
    [feito] = await sincronizar(operador, ("loja/z", "Z", 0), encerrar=True)
    assert feito["dono_atual"] is None
    assert feito["quantidade"] is None


async def test_only_what_changed_is_read(operador: "asyncpg.Connection[Any]"):
    await sincronizar(operador, ("loja/a", "A", 10), ("loja/b", "B", 10))
    desde = await operador.fetchval("select clock_timestamp()")
    await sincronizar(operador, ("loja/b", "B", 11))
    assert [r["sku"] for r in await operador.fetch("select sku from ler_saldos($1)", desde)] == ["B"]
    mudados = await operador.fetch("select sku from ler_saldos_mudados($1, '(0,0)', 9)", desde)
    assert [r["sku"] for r in mudados] == ["B"]


async def test_slices_are_in_the_order_of_the_table_and_miss_nothing(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    skus = [f"S{n:04}" for n in range(1000)]
    desde = await operador.fetchval("select clock_timestamp()")
    await sincronizar(operador, *(("loja/" + sku.lower(), sku, 10) for sku in skus))
    lidos, lugar = list[str](), (0, 0)
    while fatia := await operador.fetch("select sku, lugar from ler_saldos_mudados($1, $2, 70)", desde, lugar):
        assert [r["lugar"] for r in fatia] == sorted(r["lugar"] for r in fatia)
        if len(lidos) == 70:  # a row that was read and one that was not change, and lie elsewhere
            mais_um = "update estoque set alvo = 11, quantidade = 11 where sku = any ($1)"
            await estoque_db.execute(mais_um, [lidos[0], skus[-1]])
        lidos += [r["sku"] for r in fatia]
        lugar = fatia[-1]["lugar"]
    assert sorted(set(lidos)) == skus
    assert len(lidos) in {len(skus), len(skus) + 1}


@pytest.mark.parametrize(
    "proibido",
    [
        "select * from estoque",
        "update estoque set vendido = 0",
        "select * from pedido",
        "insert into outbox (pedido_id, versao, status, itens_em_falta) values (gen_random_uuid(), 1, 'x', '[]')",
        "select * from saldo",
        "select * from mudanca",
        "select * from liberar_vencidas('{A}', '{1}', now())",
        "create table minha (id int)",
    ],
)
async def test_the_operators_role_may_do_nothing_else(operador: "asyncpg.Connection[Any]", proibido: str):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await operador.execute(proibido)


async def test_a_balance_reads_the_lapsed_lines_of_its_sku_alone(estoque_db: "asyncpg.Pool[Any]"):
    async with estoque_db.acquire() as connection, connection.transaction():
        await connection.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
        plano = await connection.fetch("explain select disponivel from saldo where sku = 'A'")
    [busca] = [linha[0] for linha in plano if "Index Cond" in linha[0] and "expira_em" in linha[0]]
    assert "expira_em <=" in busca
    assert not any("Filter" in linha[0] and "expira_em" in linha[0] for linha in plano)


async def test_lapsed_lines_are_released_without_reading_those_of_others(
    operador: "asyncpg.Connection[Any]", estoque_db: "asyncpg.Pool[Any]"
):
    await sincronizar(operador, ("loja/a", "A", 10_000), ("loja/b", "B", 10_000))
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
        lidas = "select seq_tup_read from pg_stat_xact_user_tables where relname = 'reserva'"
        antes = await connection.fetchval(lidas)
        liberado = await connection.fetch("select * from liberar_vencidas('{A,B}', '{3,2}', agora())")
        assert sorted(map(tuple, liberado)) == [("A", 3), ("B", 2)]
        assert await connection.fetchval(lidas) == antes
        oldest = "select extract(epoch from now() - min(expira_em))::int from reserva where sku = $1"
        assert [await connection.fetchval(oldest, sku) for sku in "AB"] == [4997, 4998]


async def test_the_sweep_leaves_out_what_needs_a_sku_that_somebody_holds(estoque_db: "asyncpg.Pool[Any]"):
    """The rest is swept; nothing is decided about units of a row that is not locked."""
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
        assert await sweeping.fetchval("select expirar_reservas(10)") == 1
        assert await sweeping.fetchval("select id from pedido where status = 'ReservaExpirada'") == ids[1]
        await sweeping.execute("reset lock_timeout")
    assert await estoque_db.fetchval("select expirar_reservas(10)") == 2
    assert await livro.violacoes(estoque_db) == []
