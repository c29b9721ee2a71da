-- Of which of these orders estoque has not published everything yet.
select distinct pedido_id as id from outbox where pedido_id = any ($1::uuid[])
