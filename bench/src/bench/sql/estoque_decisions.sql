-- estoque's decision rate from the first transaction since :since (epoch seconds), which is not counted, to the
-- last one.
with decided as (
    select status, atualizado_em from pedido where atualizado_em >= to_timestamp(:since)
),
span as materialized (
    select min(atualizado_em) as first_at, extract(epoch from max(atualizado_em) - min(atualizado_em)) as seconds
    from decided
)
select json_build_object(
    'pedidos', count(*),
    'reserved', count(*) filter (where d.status = 'EstoqueReservado'),
    'transactions', count(distinct d.atualizado_em),
    'seconds', s.seconds,
    'per_second', count(*) filter (where d.atualizado_em > s.first_at) / nullif(s.seconds, 0)
)
from decided d, span s
group by s.seconds;
