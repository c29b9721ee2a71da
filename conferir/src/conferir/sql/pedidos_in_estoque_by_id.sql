-- estoque's orders by id.
select id, status, versao, itens::text as itens, itens_em_falta::text as itens_em_falta, expira_em, criado_em,
    atualizado_em
from pedido
where id = any ($1::uuid[])
