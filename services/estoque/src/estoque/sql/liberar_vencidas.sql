-- Releases lapsed units of the SKUs that a batch lacks; the caller has locked the stock rows.
select sku, liberado from liberar_vencidas($1::text[], $2::bigint[], $3::timestamptz)
