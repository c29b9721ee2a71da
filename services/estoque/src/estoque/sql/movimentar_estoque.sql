-- One summed change a SKU. Supply above what is declared falls with what was released.
update estoque e
set reservado = e.reservado + m.reservado,
    vendido = e.vendido + m.vendido,
    quantidade = greatest(e.alvo, least(e.quantidade, e.reservado + m.reservado + e.vendido + m.vendido)),
    alterado_em = $4
from unnest($1::text[], $2::bigint[], $3::bigint[]) as m (sku, reservado, vendido)
where e.sku = m.sku
