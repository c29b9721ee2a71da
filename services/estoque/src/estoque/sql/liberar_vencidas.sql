-- Takes lapsed units back where a batch is short of them; the stock rows are locked by the caller.
select sku, liberado from liberar_vencidas($1::text[], $2::bigint[], $3::timestamptz)
