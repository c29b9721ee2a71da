-- Up to $3 balances of the rows that changed at or after $1, of those that lie behind $2.
select lugar, sku, dono, situacao, nome, alvo, quantidade, reservado, vendido, disponivel, limite_baixo, alterado_em
from ler_saldos_mudados($1::timestamptz, $2::tid, $3)
