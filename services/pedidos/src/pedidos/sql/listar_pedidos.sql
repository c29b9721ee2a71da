-- Orders before an id, the newest first: keyset paging, a statement a filter.
select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em
from pedido
where id < $1
order by id desc
limit $2
