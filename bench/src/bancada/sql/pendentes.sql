-- Orders without a decision and facts that are not published yet.
select (select count(*) from pedido where status = 'Criado') + (select count(*) from outbox);
