-- Balances of the requested SKUs; unknown ones are omitted.
select sku, nome, quantidade, reservado, vendido, disponivel
from saldo
where situacao <> 'Encerrado' and sku = any ($1::text[])
order by sku
