-- A slice of pedidos' orders, with their items in estoque's form: units by SKU.
select p.id, p.status, p.versao, i.itens, p.itens_em_falta::text as itens_em_falta, p.expira_em, p.criado_em,
    p.atualizado_em
from pedido p
cross join lateral (
    select coalesce(jsonb_object_agg(x ->> 'sku', x -> 'quantidade'), '{}')::text as itens
    from jsonb_array_elements(p.itens::jsonb) x
) i
where p.id > $1
order by p.id
limit $2
