-- One order.
select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em
from pedido
where id = $1
