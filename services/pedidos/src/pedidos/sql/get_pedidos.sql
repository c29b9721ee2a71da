-- Orders by id, and by customer where one is given: another customer's order costs what an unknown one costs.
select wanted.cliente_id as wanted_cliente, p.id, p.cliente_id, p.itens, p.status, p.versao, p.itens_em_falta,
    p.expira_em, p.criado_em, p.atualizado_em
from unnest($1::uuid[], $2::text[]) as wanted (pedido_id, cliente_id)
join pedido p on p.id = wanted.pedido_id and p.cliente_id = coalesce(wanted.cliente_id, p.cliente_id)
