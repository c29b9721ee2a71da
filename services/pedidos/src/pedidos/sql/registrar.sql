-- Writes a batch of commands, the orders that they create and the outbox rows, in one commit. The clock is read once,
-- because it moves between two calls and both instants of a new order must be equal.
with instante as materialized (
    select agora() as criado_em
),
pedido_novo as (
    insert into pedido (id, cliente_id, itens, criado_em, atualizado_em)
    select n.*, i.criado_em, i.criado_em from instante i, unnest($1::uuid[], $2::text[], $3::jsonb[]) as n
),
comando_novo as (
    insert into comando (id, pedido_id, tipo, traceparent, se_versao, criado_em, reenviar_em)
    select c.*, i.criado_em, i.criado_em + $9::interval
    from instante i, unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::integer[]) as c
),
anotado as (
    insert into outbox (comando_id) select id from unnest($4::uuid[]) as c (id) returning id
)
select criado_em, array(select id from anotado) as outbox from instante
