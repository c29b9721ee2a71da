-- The counters that the lines of past orders add up to.
set session_replication_role = replica;
update estoque e set vendido = r.unidades
from (select sku, sum(quantidade) as unidades from reserva where vendida group by sku) r
where e.sku = r.sku;
