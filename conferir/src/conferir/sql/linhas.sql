-- The lines of the orders after $1 up to $2, also of orders that there are not.
select r.pedido_id, r.sku, r.quantidade, r.expira_em, r.vendida, e.sku is not null as conhecido
from reserva r
left join estoque e on e.sku = r.sku
where r.pedido_id > $1 and r.pedido_id <= $2
order by r.pedido_id, r.sku
