"""Lists on a real PostgreSQL: each filter has its index, and pages follow one another."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from pedidos import repository
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
    "listar_pedidos": ("pedido_pkey", "uuid, integer", ""),
    "listar_por_cliente": ("pedido_por_cliente", "uuid, integer, text", ", 'nobody'"),
    "listar_por_cliente_e_status": ("pedido_por_cliente", "uuid, integer, text, text", ", 'nobody', 'Cancelado'"),
    "listar_por_status": ("pedido_por_status", "uuid, integer, text", ", 'Cancelado'"),
}


@pytest.mark.parametrize("plan", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", LISTS)
async def test_each_list_reads_no_more_than_a_page(pedidos_db: "Pool[Any]", name: str, plan: str):
    index, types, where = LISTS[name]
    await pedidos_db.execute(FILL)
    await pedidos_db.execute("vacuum analyze pedido")
    async with pedidos_db.acquire() as connection:
        await connection.execute(f"set plan_cache_mode = {plan}")
        await connection.execute(f"prepare lista ({types}) as {SQL[name]}")
        rows = await connection.fetch(f"explain (analyze, costs off, timing off) execute lista ('{LAST}', 5{where})")
        await connection.execute("deallocate lista; reset plan_cache_mode")
    text = "\n".join(row[0] for row in rows)
    assert f"using {index}" in text or f"on {index}" in text, text
    assert "Rows Removed by Filter" not in text
    assert "Sort" not in text


@pytest.mark.parametrize("cliente", [None, "c1"])
@pytest.mark.parametrize("status", [None, Status.CANCELADO, Status.FECHADO])
async def test_pages_hold_what_passes_the_filters_each_order_once(
    pedidos_db: "Pool[Any]", cliente: str | None, status: Status | None
):
    await pedidos_db.execute(FILL.replace("20000", "3000"))
    reader, seen, cursor = Reader(pedidos_db, connections=1), list[UUID](), None
    while page := await repository.page(reader, cliente, status, cursor, 700):
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
