-- Claims idempotency keys, including those of refused commands, because a 409 stores no answer. The first request of a
-- batch that claims a key gets it. If another session is claiming a key, the statement does not wait for it (`ocupada`,
-- by advisory lock): that replica may be frozen, and the batch has other customers. Returns each key once, with its
-- request if it was claimed now.
with pedida as (
    select distinct on (c.cliente_id, c.caminho, c.chave) c.*
    from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::uuid[]) with ordinality
        as c (cliente_id, caminho, chave, corpo, pedido_id, comando_id, ordem)
    order by c.cliente_id, c.caminho, c.chave, c.ordem
),
vista as materialized (
    select p.*, not pg_try_advisory_xact_lock(
        hashtextextended(p.cliente_id || e'\x01' || p.caminho || e'\x01' || p.chave, 0)) as ocupada
    from pedida p
),
tomada as (
    insert into idempotencia as i (cliente_id, caminho, chave, corpo, pedido_id, comando_id)
    select v.cliente_id, v.caminho, v.chave, v.corpo, v.pedido_id, v.comando_id
    from vista v
    where not v.ocupada
    order by v.cliente_id, v.caminho, v.chave
    on conflict (cliente_id, caminho, chave) do update
    set corpo = excluded.corpo, pedido_id = excluded.pedido_id, comando_id = excluded.comando_id,
        criado_em = excluded.criado_em
    where exists (
        select from comando c where c.id = i.comando_id and c.recusa is not null and c.tipo <> 'PedidoCriado'
    )
    returning i.cliente_id, i.caminho, i.chave, i.corpo, i.pedido_id, i.comando_id
)
select v.cliente_id, v.caminho, v.chave, v.ocupada, t.corpo, t.pedido_id, t.comando_id
from vista v
left join tomada t using (cliente_id, caminho, chave)
