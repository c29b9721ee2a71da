"""Lists on a real PostgreSQL: each filter has its index, and pages follow one another."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from pedidos import repository
from pedidos.pedido import MAX_PAGE_LINES
from reservaestoque.events import Status
from reservaestoque.postgres import Queries, Reader

pytestmark = pytest.mark.integration

SQL = Queries("pedidos")
Pool = asyncpg.Pool
LAST = UUID(int=(1 << 128) - 1)

FILL = """
insert into pedido (id, cliente_id, itens, status, versao)
select (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, 'c' || n % 3, '[]',
    case when n % 1000 = 7 then 'Cancelado' else 'Fechado' end, 1
from generate_series(1, 20000) n
"""

LISTS = {
    "list_pedidos": ("pedido_pkey", "", ""),
    "list_by_cliente": ("pedido_by_cliente", ", text", ", 'nobody'"),
    "list_by_cliente_and_status": ("pedido_by_cliente", ", text, text", ", 'nobody', 'Cancelado'"),
    "list_by_status": ("pedido_by_status", ", text", ", 'Cancelado'"),
}


@pytest.mark.parametrize("plan", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", LISTS)
async def test_each_list_reads_no_more_than_a_page(pedidos_db: "Pool[Any]", name: str, plan: str):
    index, types, where = LISTS[name]
    await pedidos_db.execute(FILL)
    await pedidos_db.execute("vacuum analyze pedido")
    async with pedidos_db.acquire() as connection:
        await connection.execute(f"set plan_cache_mode = {plan}")
        await connection.execute(f"prepare listing (uuid, integer, bigint{types}) as {SQL[name]}")
        rows = await connection.fetch(
            f"explain (analyze, costs off, timing off) execute listing ('{LAST}', 5, 9{where})"
        )
        await connection.execute("deallocate listing; reset plan_cache_mode")
    text = "\n".join(row[0] for row in rows)
    assert f"using {index}" in text or f"on {index}" in text, text
    assert "Rows Removed by Filter" not in text
    assert "Sort" not in text


@pytest.mark.parametrize("cliente", [None, "c1"])
@pytest.mark.parametrize("status", [None, Status.CANCELADO, Status.FECHADO])
async def test_pages_hold_every_matching_order_once(
    pedidos_db: "Pool[Any]", cliente: str | None, status: Status | None
):
    await pedidos_db.execute(FILL.replace("20000", "3000"))
    reader, seen, cursor = Reader(pedidos_db, connections=1), list[UUID](), None
    more = True
    while more:
        page, more = await repository.page(reader, cliente, status, cursor, 700)
        assert {p.cliente_id for p in page} <= ({cliente} if cliente else {"c0", "c1", "c2"})
        assert {p.status for p in page} <= ({status} if status else {Status.CANCELADO, Status.FECHADO})
        seen += [p.pedido_id for p in page]
        cursor = seen[-1]
    everything = await pedidos_db.fetch(
        "select id from pedido where cliente_id = coalesce($1, cliente_id) and status = coalesce($2, status) "
        "order by id desc",
        cliente,
        status,
    )
    assert seen == [row["id"] for row in everything]


LINES = MAX_PAGE_LINES // 40
LARGE = """
insert into pedido (id, cliente_id, itens, itens_em_falta, status, versao)
select (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, 'c', l.itens, l.em_falta, 'EstoqueNaoDisponivel', 1
from generate_series(1, 100) n, lateral (
    select json_agg(json_build_object('sku', 'S' || i, 'quantidade', 1)) as itens,
        jsonb_agg(jsonb_build_object('sku', 'S' || i, 'solicitado', 1, 'disponivel', 0, 'motivo', 'SkuDesconhecido'))
            as em_falta
    from generate_series(1, $1::integer) i
) l
"""


@pytest.mark.parametrize("cliente", [None, "c"])
@pytest.mark.parametrize("status", [None, Status.ESTOQUE_NAO_DISPONIVEL])
async def test_a_page_of_large_orders_is_shorter_and_each_order_appears_once(
    pedidos_db: "Pool[Any]", cliente: str | None, status: Status | None
):
    await pedidos_db.execute(LARGE, LINES)
    reader, pages, cursor, more = Reader(pedidos_db, connections=1), list[list[UUID]](), None, True
    while more:
        page, more = await repository.page(reader, cliente, status, cursor, 200)
        pages.append([p.pedido_id for p in page])
        cursor = pages[-1][-1]
    assert [len(page) for page in pages] == [20, 20, 20, 20, 20]
    assert [id_ for page in pages for id_ in page] == sorted((id_ for page in pages for id_ in page), reverse=True)
    assert len({id_ for page in pages for id_ in page}) == 100


async def test_an_order_that_fills_a_page_alone_is_listed(pedidos_db: "Pool[Any]"):
    await pedidos_db.execute(LARGE, MAX_PAGE_LINES // 2)
    page, more = await repository.page(Reader(pedidos_db, connections=1), None, None, None, 200)
    assert (len(page), more) == (1, True)


async def test_limit_and_lines_may_end_a_page_together(pedidos_db: "Pool[Any]"):
    await pedidos_db.execute(LARGE, LINES)
    page, more = await repository.page(Reader(pedidos_db, connections=1), None, None, None, 20)
    assert (len(page), more) == (20, True)
    last, more = await repository.page(Reader(pedidos_db, connections=1), None, None, page[0].pedido_id, 99)
    assert (len(last), more) == (20, True)
