-- Claims idempotency keys, those too that stand for a command which was refused: nothing is stored for a 409. Sorted,
-- so that two replicas cannot wait for each other; the first of a batch that claims a key gets it. Who else claims the
-- same key now is waited for. Returns the keys that were claimed now.
insert into idempotencia as i (cliente_id, caminho, chave, corpo, pedido_id, comando_id)
select distinct on (c.cliente_id, c.caminho, c.chave) c.cliente_id, c.caminho, c.chave, c.corpo, c.pedido_id, c.comando_id
from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::uuid[]) with ordinality
    as c (cliente_id, caminho, chave, corpo, pedido_id, comando_id, ordem)
order by c.cliente_id, c.caminho, c.chave, c.ordem
on conflict (cliente_id, caminho, chave) do update
set corpo = excluded.corpo, pedido_id = excluded.pedido_id, comando_id = excluded.comando_id, criado_em = excluded.criado_em
where exists (
    select from comando c where c.id = i.comando_id and c.recusa is not null and c.tipo <> 'PedidoCriado'
)
returning i.cliente_id, i.caminho, i.chave, i.corpo, i.pedido_id, i.comando_id
