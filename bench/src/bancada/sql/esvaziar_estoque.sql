-- No orders, and :skus SKUs with :unidades units each, but the first has :do_quente. No StockItem owns them: they are
-- sellable all the same.
truncate estoque, pedido, reserva, inbox, outbox, mudanca;
insert into estoque (sku, nome, alvo, quantidade)
select 'SKU-' || lpad(n::text, 7, '0'), 'Produto ' || n, u.unidades, u.unidades
from generate_series(1, :skus) n
cross join lateral (select case when n = 1 then :do_quente else :unidades end as unidades) u;
analyze estoque;
