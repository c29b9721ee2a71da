-- The lines of the orders after $1 up to $2, orphaned lines included.
select r.pedido_id, r.sku, r.quantidade, r.expira_em, r.vendida, e.sku is not null as known_sku
from reserva r
left join estoque e on e.sku = r.sku
where r.pedido_id > $1 and r.pedido_id <= $2
order by r.pedido_id, r.sku
