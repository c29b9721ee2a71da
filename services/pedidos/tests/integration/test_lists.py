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
ULTIMO = UUID(int=(1 << 128) - 1)

ENCHER = """
insert into pedido (id, cliente_id, itens, status, versao)
select (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, 'c' || n % 3, '[]',
    case when n % 1000 = 7 then 'Cancelado' else 'Fechado' end, 1
from generate_series(1, 20000) n
"""

LISTAS = {
    "listar_pedidos": ("pedido_pkey", "uuid, integer", ""),
    "listar_por_cliente": ("pedido_por_cliente", "uuid, integer, text", ", 'nobody'"),
    "listar_por_cliente_e_status": ("pedido_por_cliente", "uuid, integer, text, text", ", 'nobody', 'Cancelado'"),
    "listar_por_status": ("pedido_por_status", "uuid, integer, text", ", 'Cancelado'"),
}


@pytest.mark.parametrize("plano", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("nome", LISTAS)
async def test_each_list_reads_no_more_than_a_page(pedidos_db: "Pool[Any]", nome: str, plano: str):
    indice, tipos, filtro = LISTAS[nome]
    await pedidos_db.execute(ENCHER)
    await pedidos_db.execute("vacuum analyze pedido")
    async with pedidos_db.acquire() as connection:
        await connection.execute(f"set plan_cache_mode = {plano}")
        await connection.execute(f"prepare lista ({tipos}) as {SQL[nome]}")
        linhas = await connection.fetch(
            f"explain (analyze, costs off, timing off) execute lista ('{ULTIMO}', 5{filtro})"
        )
        await connection.execute("deallocate lista; reset plan_cache_mode")
    texto = "\n".join(linha[0] for linha in linhas)
    assert f"using {indice}" in texto or f"on {indice}" in texto, texto
    assert "Rows Removed by Filter" not in texto
    assert "Sort" not in texto


@pytest.mark.parametrize("cliente", [None, "c1"])
@pytest.mark.parametrize("status", [None, Status.CANCELADO, Status.FECHADO])
async def test_pages_hold_what_passes_the_filters_each_order_once(
    pedidos_db: "Pool[Any]", cliente: str | None, status: Status | None
):
    await pedidos_db.execute(ENCHER.replace("20000", "3000"))
    leitor, vistos, cursor = Reader(pedidos_db, connections=1), list[UUID](), None
    while pagina := await repository.page(leitor, cliente, status, cursor, 700):
        assert {p.cliente_id for p in pagina} <= ({cliente} if cliente else {"c0", "c1", "c2"})
        assert {p.status for p in pagina} <= ({status} if status else {Status.CANCELADO, Status.FECHADO})
        vistos += [p.pedido_id for p in pagina]
        cursor = vistos[-1]
    todos = await pedidos_db.fetch(
        "select id from pedido where cliente_id = coalesce($1, cliente_id) and status = coalesce($2, status) "
        "order by id desc",
        cliente,
        status,
    )
    assert vistos == [linha["id"] for linha in todos]
