-- The orders among $1 that another session has locked. Probes without waiting and changes nothing.
with free as materialized (
    select id from pedido where id = any ($1::uuid[]) for no key update skip locked
)
select id from pedido where id = any ($1::uuid[]) and id not in (select id from free)
