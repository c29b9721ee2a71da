-- Removes the oldest rows that no other relay is publishing, and returns their facts in order, each with the `id` of its
-- row. At most $1 rows from $5 to $3: the first, and those that follow while there are fewer than $4 facts. The relay
-- commits once the broker has confirmed them. Rows in $2 stay for another release.
with taken as (
    delete from outbox
    where id = any (array(
        select t.id
        from (
            select free.id, sum(free.quantos) over (order by free.id) - free.quantos as before
            from (
                select id, quantos from outbox
                where id <> all ($2) and id between $5 and $3
                order by id
                limit $1
                for update skip locked
            ) free
        ) t
        where t.before < $4
    ))
    returning id, pedidos, versoes, status, causas, recusas, expira_em, itens_em_falta, traceparents, criado_em
)
select t.id, f.pedido_id, f.versao, f.status, f.causa, f.recusa, f.expira_em, f.itens_em_falta, f.traceparent, t.criado_em
from taken t
cross join lateral unnest(t.pedidos, t.versoes, t.status, t.causas, t.recusas, t.expira_em, t.itens_em_falta,
        t.traceparents) with ordinality
    as f (pedido_id, versao, status, causa, recusa, expira_em, itens_em_falta, traceparent, ordinal)
order by t.id, f.ordinal
