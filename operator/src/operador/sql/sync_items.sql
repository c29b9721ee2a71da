-- Makes the stock rows match these StockItems; returns one row per item, in no particular order.
select dono, sku, dono_atual, situacao, alvo, quantidade, reservado, vendido, disponivel, limite_baixo
from sync_items(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::boolean[], $6::bigint[], $7::boolean[]
)
