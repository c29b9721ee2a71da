-- Deletes up to $2 idempotency keys older than $1. Starts at $3: the only older keys left are locked by other sessions.
-- A key that has been claimed again counts as new.
with seen as materialized (
    select i.ctid as tid, i.criado_em
    from idempotencia i
    where i.criado_em >= coalesce($3::timestamptz, '-infinity') and i.criado_em < $1
    order by i.criado_em
    limit $2
    for update skip locked
),
deleted as (
    delete from idempotencia where ctid = any (array(select s.tid from seen s)) returning 1
)
select (select count(*) from seen) as seen, (select count(*) from deleted) as purged,
    (select max(s.criado_em) from seen s) as last
