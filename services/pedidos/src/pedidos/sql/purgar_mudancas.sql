-- Forgets changes that were made before $1, at most $2 of them: from the oldest on without a gap, and never the
-- newest, so that a position whose row is there has lost nothing. Locked rows are waited for, not skipped.
delete from mudanca d
using (
    select o.transacao, o.id, bool_and(o.criado_em < $1) over (order by o.transacao, o.id) as velhas
    from (
        select m.transacao, m.id, m.criado_em
        from mudanca m
        where (m.transacao, m.id) < (
            select u.transacao, u.id
            from mudanca u
            where u.transacao < pg_snapshot_xmin(pg_current_snapshot())
            order by u.transacao desc, u.id desc
            limit 1
        )
        order by m.transacao, m.id
        limit $2
        for update
    ) o
) v
where (d.transacao, d.id) = (v.transacao, v.id) and v.velhas
returning 1
