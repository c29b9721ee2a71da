-- The orders among $1 for which estoque still has unpublished snapshots.
select distinct f.pedido_id as id
from outbox o
cross join lateral unnest(o.pedidos) as f (pedido_id)
where f.pedido_id = any ($1::uuid[])
