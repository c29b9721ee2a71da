-- A slice of stock rows with the sums of their lines, each from an index of its own.
select e.sku, e.alvo, e.quantidade, e.reservado, e.vendido, e.arquivado, p.presas, v.vendidas
from (
    select sku, alvo, quantidade, reservado, vendido, arquivado from estoque where sku > $1 order by sku limit $2
) e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as presas from reserva r where r.sku = e.sku and not r.vendida
) p
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as vendidas from reserva r where r.sku = e.sku and r.vendida
) v
order by e.sku
