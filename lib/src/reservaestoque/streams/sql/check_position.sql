-- Whether the row ($1, $2) exists and precedes every row that may still appear. If so, nothing after it has been purged.
select exists (
    select
    from mudanca m
    where (m.transacao, m.id) = ($1::text::xid8, $2::bigint)
        and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
)
