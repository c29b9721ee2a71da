-- The oldest facts that no other relay is publishing, with the order that they are about.
select o.id, o.evento_id, o.tipo, o.pedido_id, o.traceparent, o.criado_em, p.cliente_id, p.itens
from outbox o
join pedido p on p.id = o.pedido_id
order by o.id
limit $1
for update of o skip locked
