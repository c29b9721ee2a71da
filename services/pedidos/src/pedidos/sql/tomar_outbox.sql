-- Takes out the oldest $1 commands to publish that no other relay is publishing, with the orders that they are about;
-- for good when the transaction commits, which is when the broker has them. Those of $2 stay for another release.
with tomado as (
    delete from outbox
    where id = any (array(select id from outbox where id <> all ($2) order by id limit $1 for update skip locked))
    returning id, comando_id
)
select o.id, c.id as comando_id, c.tipo, c.pedido_id, c.traceparent, c.criado_em, c.se_versao, p.cliente_id, p.itens,
    p.versao
from tomado o
join comando c on c.id = o.comando_id
join pedido p on p.id = c.pedido_id
order by o.id
