-- Removes the oldest $1 commands that no other relay is publishing from the outbox, and returns them with their orders.
-- The relay commits once the broker has confirmed them. Commands in $2 stay for another release.
with tomado as (
    delete from outbox
    where id = any (array(
        select id from outbox where id <> all ($2) and id <= $3 order by id limit $1 for update skip locked
    ))
    returning id, comando_id
)
select o.id, c.id as comando_id, c.tipo, c.pedido_id, c.traceparent, c.criado_em, c.se_versao, p.cliente_id, p.itens,
    p.versao
from tomado o
join comando c on c.id = o.comando_id
join pedido p on p.id = c.pedido_id
order by o.id
