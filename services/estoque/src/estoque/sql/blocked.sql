-- The orders among $1 that need a row locked by another session: their own, or that of a SKU ($3, of order $2, or one
-- that the stored order contains). Probes without waiting and changes nothing, so `skip locked` allocates no units here.
with needed as materialized (
    select * from unnest($2::uuid[], $3::text[]) as n (pedido_id, sku)
    union
    select p.id, i.sku from pedido p cross join lateral jsonb_object_keys(p.itens) as i (sku) where p.id = any ($1::uuid[])
),
free_pedido as materialized (
    select id from pedido where id = any ($1::uuid[]) for no key update skip locked
),
free_sku as materialized (
    select sku from estoque where sku in (select n.sku from needed n) for no key update skip locked
)
select p.id as pedido_id
from pedido p
where p.id = any ($1::uuid[]) and p.id not in (select f.id from free_pedido f)
union
select n.pedido_id
from needed n
join estoque e on e.sku = n.sku
where n.sku not in (select f.sku from free_sku f)
