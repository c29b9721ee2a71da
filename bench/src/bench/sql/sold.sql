-- Sets the counters to the sums of the past orders' lines.
set session_replication_role = replica;
update estoque e set vendido = r.units
from (select sku, sum(quantidade) as units from reserva where vendida group by sku) r
where e.sku = r.sku;
