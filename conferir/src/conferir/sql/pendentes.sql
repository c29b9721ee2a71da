-- Which of these orders have a command that is sent until it is answered.
select distinct pedido_id as id from comando where reenviar_em is not null and pedido_id = any ($1::uuid[])
