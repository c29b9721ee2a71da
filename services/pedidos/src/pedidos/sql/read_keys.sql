-- The requests for which these keys were claimed.
select cliente_id, caminho, chave, corpo, pedido_id, comando_id
from idempotencia
where (cliente_id, caminho, chave) in (select * from unnest($1::text[], $2::text[], $3::text[]))
