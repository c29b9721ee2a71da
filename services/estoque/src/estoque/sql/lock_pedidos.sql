-- Locks the orders of a batch, by id: the first step of the one lock order.
select id, status, versao, itens, itens_em_falta, expira_em, atualizado_em, criacao
from pedido
where id = any ($1::uuid[])
order by id
for no key update
