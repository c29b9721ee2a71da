-- Balances after a SKU, in SKU order: keyset paging. Deleted items are not offered.
select sku, nome, quantidade, reservado, vendido, disponivel
from saldo
where situacao <> 'Encerrado' and sku > $1
order by sku
limit $2
