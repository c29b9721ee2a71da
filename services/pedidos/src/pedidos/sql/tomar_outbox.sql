-- The oldest commands to publish that no other relay is publishing, with the orders that they are about.
select o.id, c.id as comando_id, c.tipo, c.pedido_id, c.traceparent, c.criado_em, c.se_versao, p.cliente_id, p.itens
from outbox o
join comando c on c.id = o.comando_id
join pedido p on p.id = c.pedido_id
order by o.id
limit $1
for update of o skip locked
