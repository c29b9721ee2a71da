-- Removes all orders and creates :skus SKUs with :units units each, the first with :hot_units. Customers can order
-- them although they have no StockItem. In one transaction, because the operator stops following a log that it finds empty.
begin;
truncate estoque, pedido, reserva, inbox, outbox, mudanca;
insert into estoque (sku, nome, alvo, quantidade)
select 'SKU-' || lpad(n::text, 7, '0'), 'Produto ' || n, u.units, u.units
from generate_series(1, :skus) n
cross join lateral (select case when n = 1 then :hot_units else :units end as units) u;
commit;
analyze estoque;
