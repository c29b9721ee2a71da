-- A batch of new orders and, in the same commit, what estoque is to hear of them.
with novo as (
    select * from unnest($1::uuid[], $2::text[], $3::jsonb[], $4::uuid[], $5::text[])
        as n (id, cliente_id, itens, evento_id, traceparent)
),
registrado as (
    insert into pedido (id, cliente_id, itens)
    select id, cliente_id, itens from novo
    returning id, criado_em
),
anotado as (
    insert into outbox (evento_id, tipo, pedido_id, traceparent)
    select evento_id, 'PedidoCriado', id, traceparent from novo
)
select id, criado_em from registrado
