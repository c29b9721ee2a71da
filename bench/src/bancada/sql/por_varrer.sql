-- Whether a reservation that lapsed at :vencem (epoch seconds) still waits to be swept.
select exists (select from pedido where status = 'EstoqueReservado' and expira_em <= to_timestamp(:vencem));
