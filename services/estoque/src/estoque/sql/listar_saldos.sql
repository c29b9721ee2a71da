-- Balances after a SKU, in SKU order: keyset paging. Items that were deleted are not on offer.
select sku, nome, quantidade, reservado, vendido, disponivel
from saldo
where situacao <> 'Encerrado' and sku > $1
order by sku
limit $2
