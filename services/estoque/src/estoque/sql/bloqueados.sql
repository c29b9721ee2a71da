-- Which of the orders $1 need a row that another session holds: their own, or that of a SKU ($3, of order
-- $2, or one that the order names already). Looks without waiting, and changes nothing: no units are decided about here.
with preciso as materialized (
    select * from unnest($2::uuid[], $3::text[]) as n (pedido_id, sku)
    union
    select p.id, i.sku from pedido p cross join lateral jsonb_object_keys(p.itens) as i (sku) where p.id = any ($1::uuid[])
),
pedido_livre as materialized (
    select id from pedido where id = any ($1::uuid[]) for no key update skip locked
),
sku_livre as materialized (
    select sku from estoque where sku in (select n.sku from preciso n) for no key update skip locked
)
select p.id as pedido_id
from pedido p
where p.id = any ($1::uuid[]) and p.id not in (select l.id from pedido_livre l)
union
select n.pedido_id
from preciso n
join estoque e on e.sku = n.sku
where n.sku not in (select l.sku from sku_livre l)
