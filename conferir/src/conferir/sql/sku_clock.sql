-- The latest change of any SKU in the items $1, or the clock $2 if that is later.
select greatest($2::timestamptz, (
    select max(alterado_em) from estoque where sku in (select jsonb_object_keys($1::jsonb))
))
