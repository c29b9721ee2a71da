-- Units that orders under our lock still hold. A line changes only under its SKU's stock lock, which we hold too.
select pedido_id, sku, quantidade
from reserva
where pedido_id = any ($1::uuid[]) and not vendida
order by sku
