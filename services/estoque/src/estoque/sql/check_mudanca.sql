-- Whether there is the change ($1, $2), and is behind all that may still come in.
select exists (
    select
    from mudanca m
    where (m.transacao, m.id) = ($1::text::xid8, $2::bigint)
        and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
)
