-- Claims idempotency keys, including those of refused commands, because a 409 stores no answer. The first request of a
-- batch that claims a key gets it. If another session is claiming a key, the statement does not wait for it (`busy`,
-- by advisory lock): that replica may be frozen, and the batch has other customers. Returns each key once, with its
-- request if it was claimed now.
with requested as (
    select distinct on (c.cliente_id, c.caminho, c.chave) c.*
    from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::uuid[]) with ordinality
        as c (cliente_id, caminho, chave, corpo, pedido_id, comando_id, ordinal)
    order by c.cliente_id, c.caminho, c.chave, c.ordinal
),
seen as materialized (
    select r.*, not pg_try_advisory_xact_lock(
        hashtextextended(r.cliente_id || e'\x01' || r.caminho || e'\x01' || r.chave, 0)) as busy
    from requested r
),
claimed as (
    insert into idempotencia as i (cliente_id, caminho, chave, corpo, pedido_id, comando_id)
    select s.cliente_id, s.caminho, s.chave, s.corpo, s.pedido_id, s.comando_id
    from seen s
    where not s.busy
    order by s.cliente_id, s.caminho, s.chave
    on conflict (cliente_id, caminho, chave) do update
    set corpo = excluded.corpo, pedido_id = excluded.pedido_id, comando_id = excluded.comando_id,
        criado_em = excluded.criado_em
    where exists (
        select from comando c where c.id = i.comando_id and c.recusa is not null and c.tipo <> 'PedidoCriado'
    )
    returning i.cliente_id, i.caminho, i.chave, i.corpo, i.pedido_id, i.comando_id
)
select s.cliente_id, s.caminho, s.chave, s.busy, c.corpo, c.pedido_id, c.comando_id
from seen s
left join claimed c using (cliente_id, caminho, chave)
