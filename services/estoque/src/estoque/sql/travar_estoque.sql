-- Locks the stock rows of a batch by SKU: the second step. Never skip locked: that would sell units twice.
select sku, alvo - reservado - vendido as livre, situacao
from estoque
where sku = any ($1::text[])
order by sku
for no key update
