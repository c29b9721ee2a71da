-- Locks the stock rows of a batch by SKU: the second step. Never skip locked: that would sell units twice. The clock
-- is read when all of them are locked: an aggregate's row is made after its last input. It never goes back for a SKU,
-- nor for an order: $2 is when the batch's orders changed last.
select array_agg(t.sku) as skus, array_agg(t.livre) as livres, array_agg(t.situacao) as situacoes,
    instante(greatest(max(t.alterado_em), $2::timestamptz), agora()) as agora
from (
    select sku, alvo - reservado - vendido as livre, situacao, alterado_em
    from estoque
    where sku = any ($1::text[])
    order by sku
    for no key update
) t
