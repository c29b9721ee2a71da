-- Releases lapsed units of the SKUs that a batch lacks; the caller has locked the stock rows.
select sku, released from release_lapsed($1::text[], $2::bigint[], $3::timestamptz)
