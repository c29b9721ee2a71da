-- Removes all orders and restarts the log of event streams, as described in docs/operations.md.
truncate pedido, comando, outbox, idempotencia, mudanca;
insert into mudanca default values;
