-- How fast estoque decided all that waited: from the first transaction since :desde (epoch seconds), which is not
-- counted, to the last one.
with decidido as (
    select status, atualizado_em from pedido where atualizado_em >= to_timestamp(:desde)
),
tempo as materialized (
    select min(atualizado_em) as primeiro, extract(epoch from max(atualizado_em) - min(atualizado_em)) as segundos
    from decidido
)
select json_build_object(
    'pedidos', count(*),
    'reservados', count(*) filter (where d.status = 'EstoqueReservado'),
    'transacoes', count(distinct d.atualizado_em),
    'segundos', t.segundos,
    'por_segundo', count(*) filter (where d.atualizado_em > t.primeiro) / nullif(t.segundos, 0)
)
from decidido d, tempo t
group by t.segundos;
