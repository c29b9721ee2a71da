-- Purges ended orders, at most $2 of them.
select purgar_pedidos($1, $2)
