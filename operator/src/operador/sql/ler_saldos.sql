-- All balances.
select sku, dono, situacao, nome, alvo, quantidade, reservado, vendido, disponivel, limite_baixo, alterado_em
from ler_saldos(null)
