-- Orders with a status before an id, newest first: keyset paging, one statement per filter.
-- Expressed as a range, because a plan for a single value may scan the whole index for a rare one.
select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em
from pedido
where (status, id) < ($3, $1) and status >= $3
order by status desc, id desc
limit $2
