-- Deletes up to $2 tickets that expired before $1, without waiting for those that are being redeemed. Starts at $3: the
-- only older tickets left are locked by other sessions.
with visto as materialized (
    select b.ctid as lugar, b.expira_em
    from bilhete b
    where b.expira_em >= coalesce($3::timestamptz, '-infinity') and b.expira_em < $1
    order by b.expira_em
    limit $2
    for update skip locked
),
apagado as (
    delete from bilhete where ctid = any (array(select v.lugar from visto v)) returning 1
)
select (select count(*) from visto) as seen, (select count(*) from apagado) as purged,
    (select max(v.expira_em) from visto v) as last
