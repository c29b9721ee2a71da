-- The position at which a new stream begins: the newest change before which nothing can be committed any more.
select m.transacao::text::bigint as transacao, m.id, cardinality(m.pedidos) as parts
from mudanca m
where m.transacao < pg_snapshot_xmin(pg_current_snapshot())
order by m.transacao desc, m.id desc
limit 1
