-- Deletes up to $2 idempotency keys older than $1. Starts at $3: the only older keys left are locked by other sessions.
-- A key that was claimed again meanwhile counts as new.
with visto as materialized (
    select i.ctid as lugar, i.criado_em
    from idempotencia i
    where i.criado_em >= coalesce($3::timestamptz, '-infinity') and i.criado_em < $1
    order by i.criado_em
    limit $2
    for update skip locked
),
apagada as (
    delete from idempotencia where ctid = any (array(select v.lugar from visto v)) returning 1
)
select (select count(*) from visto) as seen, (select count(*) from apagada) as purged,
    (select max(v.criado_em) from visto v) as last
