-- Releases lapsed units of SKUs of which a batch is short; the caller has locked the stock rows.
select sku, liberado from liberar_vencidas($1::text[], $2::bigint[], $3::timestamptz)
