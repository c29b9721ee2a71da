-- Writes a batch in one statement, except the rows of already known orders: new orders, one summed change per SKU,
-- units that orders now hold or have bought, and the facts for pedidos, at least one, in one row of the outbox. A fact
-- that has `itens` is the last one of a new order, whose row is inserted from it.
--
-- `moved` names the SKUs twice: for a join alone the planner reads all of a catalogue of thousands of SKUs.
--
-- A duplicate order key means that another replica has inserted the order since it was looked up: the whole batch is
-- then decided again, with that row locked. Supply above the declared quantity falls as units are released.
with new_pedido as (
    insert into pedido (id, status, versao, itens_em_falta, expira_em, itens, criado_em, atualizado_em)
    select f.id, f.status, f.versao, f.itens_em_falta, f.expira_em, f.itens, $1::timestamptz, $1
    from unnest($2::uuid[], $3::text[], $4::integer[], $5::jsonb[], $6::timestamptz[], $7::jsonb[])
        as f (id, status, versao, itens_em_falta, expira_em, itens)
    where f.itens is not null
    order by f.id
),
moved as (
    update estoque e
    set reservado = e.reservado + m.reservado,
        vendido = e.vendido + m.vendido,
        quantidade = greatest(e.alvo, least(e.quantidade, e.reservado + m.reservado + e.vendido + m.vendido)),
        alterado_em = $1
    from unnest($11::text[], $12::bigint[], $13::bigint[]) as m (sku, reservado, vendido)
    where e.sku = m.sku and e.sku = any ($11)
),
line as (
    insert into reserva (pedido_id, sku, quantidade, expira_em, vendida)
    select * from unnest($14::uuid[], $15::text[], $16::integer[], $17::timestamptz[], $18::boolean[])
),
recorded as (
    insert into outbox (quantos, pedidos, status, versoes, itens_em_falta, expira_em, causas, recusas, traceparents,
        criado_em)
    values (cardinality($2), $2, $3, $4, $5, $6, $8::uuid[], $9::text[], $10::text[], $1)
    returning id
)
select id from recorded
