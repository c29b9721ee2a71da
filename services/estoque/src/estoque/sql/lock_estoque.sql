-- Locks the stock rows of a batch by SKU: the second step. Never `skip locked`: that would sell units twice. The clock
-- is read after all of them are locked, because an aggregate is evaluated after its last input. It never runs backwards
-- for a SKU or an order: $2 is the last change of the batch's orders.
select array_agg(t.sku) as skus, array_agg(t.free) as free_units, array_agg(t.situacao) as situacoes,
    decision_time(greatest(max(t.alterado_em), $2::timestamptz), agora()) as decided_at
from (
    select sku, alvo - reservado - vendido as free, situacao, alterado_em
    from estoque
    where sku = any ($1::text[])
    order by sku
    for no key update
) t
