-- The orders among $1 with a command that is resent until answered.
select distinct pedido_id as id from comando where reenviar_em is not null and pedido_id = any ($1::uuid[])
