-- The number of undecided orders and unpublished events.
select (select count(*) from pedido where status = 'Criado') + (select coalesce(sum(quantos), 0) from outbox);
