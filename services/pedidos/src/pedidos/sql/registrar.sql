-- Writes a batch of commands, the orders that they create and their outbox row, in one commit. An order is its own first
-- command, with the same id, so a creation has no row in `comando`. The clock is read once, because it moves between two
-- calls and both instants of a new order must be equal.
with instante as materialized (
    select agora() as criado_em
),
pedido_novo as (
    insert into pedido (id, cliente_id, itens, traceparent, criado_em, atualizado_em, perguntar_em)
    select n.*, i.criado_em, i.criado_em, i.criado_em + $10::interval
    from instante i, unnest($1::uuid[], $2::text[], $3::json[], $4::text[]) as n
),
comando_novo as (
    insert into comando (id, pedido_id, tipo, traceparent, se_versao, criado_em, reenviar_em)
    select c.*, i.criado_em, i.criado_em + $10
    from instante i, unnest($5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::integer[]) as c
),
anotado as (
    insert into outbox (quantos, comandos) values (cardinality($1 || $5), $1 || $5) returning id
)
select i.criado_em, a.id as outbox from instante i, anotado a
