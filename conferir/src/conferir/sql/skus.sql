-- A slice of stock rows with the sums of their lines, one index scan per sum.
select e.sku, e.alvo, e.quantidade, e.reservado, e.vendido, e.arquivado, h.held, s.sold
from (
    select sku, alvo, quantidade, reservado, vendido, arquivado from estoque where sku > $1 order by sku limit $2
) e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as held from reserva r where r.sku = e.sku and not r.vendida
) h
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as sold from reserva r where r.sku = e.sku and r.vendida
) s
order by e.sku
