-- The orders that changed after the first $3 of the change ($1, $2), at most $4 rows; that change has a row even where
-- no more of it is left. Not those at or above the oldest transaction that still runs, since it may come in behind
-- them. "m." in the order is the column, which has an index, not its text.
select m.transacao::text::bigint as transacao, m.id, p.parte, p.pedido
from mudanca m
left join lateral jsonb_array_elements(m.pedidos) with ordinality as p (pedido, parte)
    on (m.transacao, m.id, p.parte) > ($1::text::xid8, $2::bigint, $3::bigint)
where (m.transacao, m.id) >= ($1::text::xid8, $2::bigint)
    and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
order by m.transacao, m.id, p.parte
limit $4
