-- Writes a batch of commands, the orders that they create and the outbox rows, in one commit. The clock is read once per
-- order, because it moves between two calls and both instants of a new order must be equal.
with novo as materialized (
    select n.*, agora() as criado_em from unnest($1::uuid[], $2::text[], $3::jsonb[]) as n (id, cliente_id, itens)
),
pedido_novo as (
    insert into pedido (id, cliente_id, itens, criado_em, atualizado_em)
    select n.id, n.cliente_id, n.itens, n.criado_em, n.criado_em from novo n
    returning id, criado_em
),
comando_novo as (
    insert into comando (id, pedido_id, tipo, traceparent, se_versao, reenviar_em)
    select c.*, agora() + $9::interval
    from unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::integer[])
        as c (id, pedido_id, tipo, traceparent, se_versao)
),
anotado as (
    insert into outbox (comando_id) select id from unnest($4::uuid[]) as c (id)
)
select id, criado_em from pedido_novo
