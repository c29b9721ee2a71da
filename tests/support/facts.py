"""The facts in estoque's outbox, which has a row per batch: one record per fact, in the order a relay takes them."""

from typing import Any

import asyncpg

FACTS = """
select o.id, f.*, o.criado_em
from outbox o
cross join lateral unnest(o.pedidos, o.versoes, o.status, o.causas, o.recusas, o.expira_em, o.itens_em_falta,
        o.traceparents) with ordinality
    as f (pedido_id, versao, status, causa, recusa, expira_em, itens_em_falta, traceparent, ordinal)
order by o.id, f.ordinal
"""


async def read_facts(database: "asyncpg.Pool[Any] | asyncpg.Connection[Any]") -> list[asyncpg.Record]:
    """All facts that wait in the outbox; `id` is that of the row."""
    facts: list[asyncpg.Record] = await database.fetch(FACTS)
    return facts
