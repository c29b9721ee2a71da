"""What must always hold (DESIGN: never). Each query returns what breaks a rule; nothing is good news."""

from typing import Any

import asyncpg

LIVRO = {
    "more committed than supplied": "select sku, quantidade, reservado, vendido from estoque "
    "where reservado + vendido > quantidade or quantidade <> greatest(alvo, reservado + vendido)",
    "counters differ from the lines": """
        select e.sku, e.reservado, e.vendido, l.presas, l.vendidas
        from estoque e
        left join lateral (
            select coalesce(sum(quantidade) filter (where not vendida), 0) as presas,
                   coalesce(sum(quantidade) filter (where vendida), 0) as vendidas
            from reserva r where r.sku = e.sku
        ) l on true
        where (e.reservado, e.vendido - e.arquivado) is distinct from (l.presas, l.vendidas)""",
    "lines that their order does not allow": """
        select r.*, p.status from reserva r left join pedido p on p.id = r.pedido_id
        where p.id is null
           or r.vendida <> (p.status = 'Fechado')
           or p.status not in ('EstoqueReservado', 'Fechado')
           or (p.itens ->> r.sku)::bigint is distinct from r.quantidade
           or (not r.vendida and r.expira_em is distinct from p.expira_em)""",
    "orders that hold fewer units than they say": """
        select p.id, p.status from pedido p
        where (p.status = 'Fechado' or (p.status = 'EstoqueReservado' and p.expira_em > agora()))
          and (select count(*) from reserva r where r.pedido_id = p.id)
              <> (select count(*) from jsonb_object_keys(p.itens))""",
}


async def violacoes_do_livro(estoque: "asyncpg.Pool[Any]") -> list[str]:
    """Rules of estoque's ledger that are broken now, all read in one snapshot."""
    async with estoque.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        return [
            f"{regra}: {dict(row)}" for regra, consulta in LIVRO.items() for row in await connection.fetch(consulta)
        ]


async def discordancias(pedidos: "asyncpg.Pool[Any]", estoque: "asyncpg.Pool[Any]") -> list[str]:
    """Orders on which the two services differ, and undelivered facts; none once the system is at rest."""
    consulta = "select id, status, versao, expira_em from pedido"
    la = {row["id"]: tuple(row)[1:] for row in await estoque.fetch(consulta)}
    ca = {row["id"]: tuple(row)[1:] for row in await pedidos.fetch(consulta)}
    diferentes = [
        f"order {k}: pedidos {ca.get(k)}, estoque {la.get(k)}"
        for k in ca.keys() | la.keys()
        if ca.get(k) != la.get(k)
    ]
    for nome, pool in (("pedidos", pedidos), ("estoque", estoque)):
        if parados := await pool.fetchval("select count(*) from outbox"):
            diferentes.append(f"{parados} facts in the outbox of {nome}")
    return diferentes
