-- The orders among $1 for which estoque still has unpublished snapshots.
select distinct pedido_id as id from outbox where pedido_id = any ($1::uuid[])
