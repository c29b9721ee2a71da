-- Balances of the SKUs asked for; unknown ones are missing.
select sku, nome, quantidade, reservado, vendido, disponivel
from saldo
where situacao <> 'Encerrado' and sku = any ($1::text[])
order by sku
