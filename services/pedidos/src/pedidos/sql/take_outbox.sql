-- Removes the oldest rows that no other relay is publishing from the outbox, and returns their commands with the orders. At
-- most $1 rows from $5 to $3: the first, and those that follow while there are fewer than $4 commands.
-- A command without a row in `comando` is the creation of the order with its id. The relay commits once the broker has
-- confirmed them. Rows in $2 stay for another release.
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
    returning id, comandos
)
select t.id, u.comando_id, coalesce(c.tipo, 'PedidoCriado') as tipo, p.id as pedido_id,
    case when c.id is null then p.traceparent else c.traceparent end as traceparent,
    coalesce(c.criado_em, p.criado_em) as criado_em, c.se_versao, p.cliente_id, p.itens,
    p.versao
from taken t
cross join unnest(t.comandos) with ordinality as u (comando_id, ordinal)
left join comando c on c.id = u.comando_id
join pedido p on p.id = coalesce(c.pedido_id, u.comando_id)
order by t.id, u.ordinal
