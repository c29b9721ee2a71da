-- The number of undecided orders and unpublished outbox rows.
select (select count(*) from pedido where status = 'Criado') + (select count(*) from outbox);
