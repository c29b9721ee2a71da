-- Balances of the rows that changed at or after $1, all of them when it is null.
select sku, dono, situacao, nome, alvo, quantidade, reservado, vendido, disponivel, limite_baixo, alterado_em
from ler_saldos($1::timestamptz)
