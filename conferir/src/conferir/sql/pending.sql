-- The orders among $1 with a command that is resent until answered.
select pedido_id as id from comando where reenviar_em is not null and pedido_id = any ($1::uuid[])
union
select id from pedido where perguntar_em is not null and versao = 0 and id = any ($1)
