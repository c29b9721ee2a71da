-- Current balances of the SKUs in up to $4 changes after the position $1, $2, $3; no rows if that position is lost.
select transacao, mudanca, parte, lidas, sku, dono, situacao, nome, alvo, quantidade, reservado, vendido, disponivel,
    limite_baixo
from saldos_desde($1, $2, $3, $4)
