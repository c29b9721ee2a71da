-- All balances.
select sku, dono, situacao, nome, alvo, quantidade, reservado, vendido, disponivel, limite_baixo
from read_saldos()
