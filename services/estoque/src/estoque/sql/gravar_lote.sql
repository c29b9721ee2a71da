-- Writes a batch in one statement, except the rows of already known orders: new orders, one summed change per SKU, units
-- that orders now hold or have bought, and the facts for pedidos.
--
-- A duplicate order key means that another replica has inserted the order since it was looked up: the whole batch is
-- then decided again, with that row locked. Supply above the declared quantity falls as units are released.
with novo as (
    insert into pedido (id, status, versao, itens_em_falta, expira_em, itens, criado_em, atualizado_em)
    select n.*, $1::timestamptz, $1
    from unnest($2::uuid[], $3::text[], $4::integer[], $5::jsonb[], $6::timestamptz[], $7::jsonb[])
        as n (id, status, versao, itens_em_falta, expira_em, itens)
    order by n.id
),
movido as (
    update estoque e
    set reservado = e.reservado + m.reservado,
        vendido = e.vendido + m.vendido,
        quantidade = greatest(e.alvo, least(e.quantidade, e.reservado + m.reservado + e.vendido + m.vendido)),
        alterado_em = $1
    from unnest($8::text[], $9::bigint[], $10::bigint[]) as m (sku, reservado, vendido)
    where e.sku = m.sku
),
linha as (
    insert into reserva (pedido_id, sku, quantidade, expira_em, vendida)
    select * from unnest($11::uuid[], $12::text[], $13::integer[], $14::timestamptz[], $15::boolean[])
),
anotado as (
    insert into outbox (pedido_id, status, versao, itens_em_falta, expira_em, causa, recusa, traceparent, criado_em)
    select n.*, $1
    from unnest($16::uuid[], $17::text[], $18::integer[], $19::jsonb[], $20::timestamptz[], $21::uuid[], $22::text[],
        $23::text[]) as n (pedido_id, status, versao, itens_em_falta, expira_em, causa, recusa, traceparent)
    returning id
)
select array(select id from anotado)
