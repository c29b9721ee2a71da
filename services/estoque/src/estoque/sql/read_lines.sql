-- Units still held by orders that the caller has locked. A line changes only under its SKU's stock lock, also held.
select pedido_id, sku, quantidade
from reserva
where pedido_id = any ($1::uuid[]) and not vendida
order by sku
