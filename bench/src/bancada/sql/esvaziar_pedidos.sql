-- No orders; the log of event streams begins anew, as docs/operations.md says.
truncate pedido, comando, outbox, idempotencia, mudanca;
insert into mudanca (pedidos) values ('[]');
