-- A slice of estoque's orders.
select id, status, versao, itens::text as itens, itens_em_falta::text as itens_em_falta, expira_em, criado_em,
    atualizado_em
from pedido
where id > $1
order by id
limit $2
