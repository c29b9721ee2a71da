-- Orders of a customer before an id, newest first: keyset paging, one statement per filter.
-- Expressed as a range, because a plan for a single value may scan the whole index for a rare one.
select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em
from pedido
where (cliente_id, id) < ($3, $1) and cliente_id >= $3
order by cliente_id desc, id desc
limit $2
