-- Of either database: whether a reservation that lapsed at :vencem (epoch seconds) is still there as one.
select exists (select from pedido where status = 'EstoqueReservado' and expira_em <= to_timestamp(:vencem));
