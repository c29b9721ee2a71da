-- Orders before an id, newest first: keyset paging, one statement per filter.
select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em
from pedido
where id < $1
order by id desc
limit $2
