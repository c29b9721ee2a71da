-- Reserves all items of a batch of new orders, if nothing stands in the way: no order is known, no event has been seen or
-- is older than the horizon ($3 is the oldest), and each SKU is active and has the units ($2) that all orders together
-- need. Then every order is accepted, in whatever sequence. Otherwise it writes nothing and returns no row. One
-- statement is one transaction, so the stock rows are locked only while it runs, never during a round trip.
--
-- `moved` names the SKUs twice: for a join alone the planner reads all of a catalogue of thousands of SKUs.
--
-- The new orders record the ids of their events, so these need no rows in the inbox. A unique violation means that
-- another replica has inserted one of the orders concurrently.
with locked as materialized (
    select sku, alvo - reservado - vendido as free, situacao, alterado_em
    from estoque
    where sku = any ($1::text[])
    order by sku
    for no key update
),
decision as materialized (
    -- As in lock_estoque.sql, the clock is read after all rows are locked.
    select decision_time(max(l.alterado_em), agora()) as decided_at,
        count(*) = cardinality($1) and bool_and(l.situacao = 'Ativo' and l.free >= n.quantidade) as sufficient
    from locked l
    join unnest($1, $2::bigint[]) as n (sku, quantidade) using (sku)
),
accepted as materialized (
    select d.decided_at, d.decided_at + $5::interval as expira_em
    from decision d
    where d.sufficient and $3::timestamptz >= agora() - $4::interval
        and not exists (select from pedido where id = any ($6::uuid[]))
        and not exists (select from inbox where evento_id = any ($7::uuid[]))
),
new_pedido as (
    insert into pedido (id, criacao, versao, status, itens, expira_em, criado_em, atualizado_em)
    select n.id, n.criacao, n.versao, 'EstoqueReservado', n.itens, a.expira_em, a.decided_at, a.decided_at
    from accepted a, unnest($6, $7, $8::integer[], $9::jsonb[]) as n (id, criacao, versao, itens)
    order by n.id
),
moved as (
    update estoque e
    set reservado = e.reservado + n.quantidade, alterado_em = a.decided_at
    from accepted a, unnest($1, $2) as n (sku, quantidade)
    where e.sku = n.sku and e.sku = any ($1)
),
line as (
    insert into reserva (pedido_id, sku, quantidade, expira_em)
    select l.pedido_id, l.sku, l.quantidade, a.expira_em
    from accepted a, unnest($11::uuid[], $12::text[], $13::integer[]) as l (pedido_id, sku, quantidade)
),
recorded as (
    insert into outbox (quantos, pedidos, versoes, status, causas, expira_em, itens_em_falta, traceparents, criado_em)
    select q.quantos, $6, $8, array_fill('EstoqueReservado'::text, array[q.quantos]), $7,
        array_fill(a.expira_em, array[q.quantos]), array_fill('[]'::jsonb, array[q.quantos]), $10::text[], a.decided_at
    from accepted a, cardinality($6) as q (quantos)
    returning id
)
select a.decided_at, a.expira_em, r.id as outbox from accepted a, recorded r
