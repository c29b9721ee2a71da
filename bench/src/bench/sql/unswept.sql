-- For either database: whether an order whose reservation lapsed at :lapse_at (epoch seconds) is still reserved.
select exists (select from pedido where status = 'EstoqueReservado' and expira_em <= to_timestamp(:lapse_at));
