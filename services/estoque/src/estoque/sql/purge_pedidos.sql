-- Examines the next $2 orders after $3 that are older than $1, and purges those that also ended before $1.
select seen, purged, last from purge_pedidos($1, $2, $3)
