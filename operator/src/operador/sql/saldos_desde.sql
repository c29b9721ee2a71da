-- The present balances of the SKUs named by up to $4 changes behind the position $1, $2, $3; none where that is lost.
select transacao, mudanca, parte, lidas, sku, dono, situacao, nome, alvo, quantidade, reservado, vendido, disponivel,
    limite_baixo
from saldos_desde($1, $2, $3, $4)
