-- Tells every replica which orders have changed, at commit. A notification names up to 200: it holds 8,000 bytes.
select pg_notify('pedido_status', string_agg(id::text, ','))
from unnest($1::uuid[]) with ordinality as p (id, ordem)
group by (ordem - 1) / 200
