-- Returns units of lapsed reservations to their SKUs, oldest first and in whole lines, so possibly a few units more
-- than requested. Every line has at least one unit, so the oldest `falta` lines always suffice, however many have
-- lapsed.
--
-- It takes no locks beyond those of the caller, who holds the stock rows of these SKUs: lines of a SKU change only
-- under the lock of its stock row. Orders are not locked, because locks are taken orders first, then stock; an order
-- that loses its lines here keeps its status until the sweep, and cannot be closed without its lines.
--
-- The stock lock also keeps the physical position of a line stable between the two steps, so the delete goes by ctid.
-- A delete by key would read the lines of all orders, because the planner does not know how few keys it gets.
create or replace function liberar_vencidas(p_skus text[], p_faltas bigint[], p_agora timestamptz)
returns table (sku text, liberado bigint)
language sql as $$
    with vencida as (
        select c.lugar
        from unnest(p_skus, p_faltas) as f (sku, falta)
        cross join lateral (
            select v.lugar, sum(v.quantidade) over (order by v.expira_em, v.pedido_id) - v.quantidade as antes
            from (
                select r.ctid as lugar, r.pedido_id, r.quantidade, r.expira_em
                from reserva r
                where r.sku = f.sku and not r.vendida and r.expira_em <= p_agora
                order by r.expira_em
                limit f.falta
            ) v
        ) c
        where c.antes < f.falta
    ),
    apagada as (
        delete from reserva r
        where r.ctid = any (array(select v.lugar from vencida v))
        returning r.sku, r.quantidade
    ),
    liberada as (
        select a.sku, sum(a.quantidade)::bigint as liberado from apagada a group by a.sku
    )
    update estoque e
    set reservado = e.reservado - l.liberado,
        quantidade = greatest(e.alvo, e.reservado - l.liberado + e.vendido),
        alterado_em = p_agora
    from liberada l
    where e.sku = l.sku
    returning e.sku, l.liberado;
$$;

comment on function liberar_vencidas is
    'releases at least p_faltas[i] lapsed units of p_skus[i], if there are as many; returns what it released, one row per SKU';

revoke execute on function liberar_vencidas from public;
grant execute on function liberar_vencidas to estoque_runtime;
