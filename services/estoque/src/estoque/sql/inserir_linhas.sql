-- Units that orders now hold, or have bought.
insert into reserva (pedido_id, sku, quantidade, expira_em, vendida)
select * from unnest($1::uuid[], $2::text[], $3::integer[], $4::timestamptz[], $5::boolean[])
