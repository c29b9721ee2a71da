-- Current balances of the SKUs in up to $4 changes after the position $1, $2, $3; no rows if that position is lost.
select transacao, mudanca, parte, changes_read, sku, dono, situacao, nome, alvo, quantidade, reservado, vendido, disponivel,
    limite_baixo
from saldos_since($1, $2, $3, $4)
