-- Of the next $2 orders behind $3 that are older than $1, purges those that ended before it too.
select seen, purged, last from purgar_pedidos($1, $2, $3)
