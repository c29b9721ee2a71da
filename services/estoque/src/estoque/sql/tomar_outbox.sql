-- The oldest facts that no other relay is publishing.
select id, pedido_id, versao, status, causa, recusa, expira_em, itens_em_falta, traceparent, criado_em
from outbox
order by id
limit $1
for update skip locked
