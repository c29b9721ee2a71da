-- The latest instant at which one of the SKUs of these items ($1) changed, or $2, the clock, if that is later.
select greatest($2::timestamptz, (
    select max(alterado_em) from estoque where sku in (select jsonb_object_keys($1::jsonb))
))
