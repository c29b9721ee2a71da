-- Writes a batch of commands, the orders that they create and their outbox row, in one commit. An order is its own first
-- command, with the same id, so a creation has no row in `comando`. The clock is read once, because it moves between two
-- calls and both instants of a new order must be equal.
with clock as materialized (
    select agora() as criado_em
),
new_pedido as (
    insert into pedido (id, cliente_id, itens, traceparent, criado_em, atualizado_em, perguntar_em)
    select n.*, c.criado_em, c.criado_em, c.criado_em + $10::interval
    from clock c, unnest($1::uuid[], $2::text[], $3::json[], $4::text[]) as n
),
new_comando as (
    insert into comando (id, pedido_id, tipo, traceparent, se_versao, criado_em, reenviar_em)
    select n.*, c.criado_em, c.criado_em + $10
    from clock c, unnest($5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::integer[]) as n
),
recorded as (
    insert into outbox (quantos, comandos) values (cardinality($1 || $5), $1 || $5) returning id
)
select c.criado_em, r.id as outbox from clock c, recorded r
