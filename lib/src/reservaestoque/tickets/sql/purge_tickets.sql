-- Deletes up to $2 tickets that expired before $1, without waiting for those that are being redeemed. Starts at $3: the
-- only older tickets left are locked by other sessions.
with seen as materialized (
    select b.ctid as tid, b.expira_em
    from bilhete b
    where b.expira_em >= coalesce($3::timestamptz, '-infinity') and b.expira_em < $1
    order by b.expira_em
    limit $2
    for update skip locked
),
deleted as (
    delete from bilhete where ctid = any (array(select s.tid from seen s)) returning 1
)
select (select count(*) from seen) as seen, (select count(*) from deleted) as purged,
    (select max(s.expira_em) from seen s) as last
