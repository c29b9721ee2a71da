-- The SKUs that changed after the first $3 of the change ($1, $2), at most $4 rows; that change has a row even if
-- none of it is left. Excludes changes at or above the oldest running transaction: an earlier one may still be committed.
-- `m.` in the ORDER BY names the indexed column; without it the name means the output column, which is text.
select m.transacao::text::bigint as transacao, m.id, s.parte, s.sku
from mudanca m
left join lateral unnest(m.skus) with ordinality as s (sku, parte)
    on (m.transacao, m.id, s.parte) > ($1::text::xid8, $2::bigint, $3::bigint)
where (m.transacao, m.id) >= ($1::text::xid8, $2::bigint)
    and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
order by m.transacao, m.id, s.parte
limit $4
