-- The SKUs that changed after the first $3 of the change ($1, $2), at most $4 rows; that change has a row even where
-- no more of it is left. Not those at or above the oldest transaction that still runs, since it may come in behind
-- them. "m." in the order is the column, which has an index, not its text.
select m.transacao::text::bigint as transacao, m.id, s.parte, s.sku
from mudanca m
left join lateral unnest(m.skus) with ordinality as s (sku, parte)
    on (m.transacao, m.id, s.parte) > ($1::text::xid8, $2::bigint, $3::bigint)
where (m.transacao, m.id) >= ($1::text::xid8, $2::bigint)
    and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
order by m.transacao, m.id, s.parte
limit $4
