-- Purges up to $2 changes made before $1, oldest first and without a gap, but never the newest one: while the row of a
-- position exists, so do all that follow it. For the same reason it waits for locked rows instead of skipping them. $3
-- (transaction, id) is where the last step ended: no rows are left up to that position, and none can appear there.
with candidate as materialized (
    select r.transacao, r.id, bool_and(r.criado_em < $1) over (order by r.transacao, r.id) as purgeable
    from (
        select m.transacao, m.id, m.criado_em
        from mudanca m
        where (m.transacao, m.id) > (coalesce(($3::bigint[])[1], 0)::text::xid8, coalesce(($3::bigint[])[2], 0))
            and (m.transacao, m.id) < (
                select n.transacao, n.id
                from mudanca n
                where n.transacao < pg_snapshot_xmin(pg_current_snapshot())
                order by n.transacao desc, n.id desc
                limit 1
            )
        order by m.transacao, m.id
        limit $2
        for update
    ) r
),
deleted as (
    delete from mudanca d
    using candidate c
    where (d.transacao, d.id) = (c.transacao, c.id) and c.purgeable
    returning d.transacao, d.id
)
select count(*) as seen, count(*) as purged,
    (select array[d.transacao::text::bigint, d.id] from deleted d order by d.transacao desc, d.id desc limit 1) as last
from deleted
