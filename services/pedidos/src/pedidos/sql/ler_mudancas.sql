-- The change ($1, $2) and those after it, at most $3 rows; not those at or above the oldest transaction that still
-- runs, since it may come in behind them. "m." in the order is the column, which has an index, not its text.
select m.transacao::text::bigint as transacao, m.id, m.pedidos
from mudanca m
where (m.transacao, m.id) >= ($1::text::xid8, $2::bigint)
    and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
order by m.transacao, m.id
limit $3
