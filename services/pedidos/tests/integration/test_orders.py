"""Single orders on a real PostgreSQL: by id, and for a customer only their own."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from pedidos.reads import Reads
from reservaestoque.postgres import Queries

pytestmark = pytest.mark.integration

Pool = asyncpg.Pool
OF_C1 = UUID("00000000000170008000000000000000")
UNKNOWN = UUID("00000000000170008000000000000001")

FILL = """
insert into pedido (id, cliente_id, itens, status, versao)
select (lpad(to_hex(n), 12, '0') || '70008000000000000000')::uuid, 'c' || n % 3, '[]', 'Fechado', 1
from generate_series(1, $1) n
"""


async def test_another_customers_order_is_not_read(pedidos_db: "Pool[Any]"):
    """Otherwise its answer would take longer than the answer for an unknown order, by the time to read its items."""
    await pedidos_db.execute(FILL, 1)
    reads = Reads(pedidos_db)
    for cliente_id, found in ((None, True), ("c1", True), ("c2", False), ("", False)):
        assert (await reads.order(OF_C1, cliente_id) is not None) == found
        assert await reads.order(UNKNOWN, cliente_id) is None


@pytest.mark.parametrize("plan", ["force_generic_plan", "force_custom_plan"])
async def test_each_order_is_one_index_lookup(pedidos_db: "Pool[Any]", plan: str):
    await pedidos_db.execute(FILL, 20_000)
    await pedidos_db.execute("vacuum analyze pedido")
    async with pedidos_db.acquire() as connection:
        await connection.execute(f"set plan_cache_mode = {plan}")
        await connection.execute(f"prepare pedidos (uuid[], text[]) as {Queries('pedidos')['get_pedidos']}")
        keys = f"array['{OF_C1}', '{UNKNOWN}']::uuid[], array['c1', null]"
        rows = await connection.fetch(f"explain (analyze, costs off, timing off) execute pedidos ({keys})")
        await connection.execute("deallocate pedidos; reset plan_cache_mode")
    text = "\n".join(row[0] for row in rows)
    assert "using pedido_pkey" in text, text
    assert "Seq Scan" not in text, text
