-- Returns units of lapsed reservations to their SKUs, oldest first and in whole lines, so possibly a few units more
-- than requested. Every line has at least one unit, so the oldest `shortage` lines always suffice, however many have
-- lapsed.
--
-- It takes no locks beyond those of the caller, who holds the stock rows of these SKUs: lines of a SKU change only
-- under the lock of its stock row. Orders are not locked, because locks are taken orders first, then stock; an order
-- that loses its lines here keeps its status until the sweep, and cannot be closed without its lines.
--
-- The stock lock also keeps the physical position of a line stable between the two steps, so the delete goes by ctid.
-- A delete by key would read the lines of all orders, because the planner does not know how few keys it gets.
create or replace function release_lapsed(p_skus text[], p_shortages bigint[], p_now timestamptz)
returns table (sku text, released bigint)
language sql as $$
    with lapsed as (
        select c.tid
        from unnest(p_skus, p_shortages) as s (sku, shortage)
        cross join lateral (
            select l.tid, sum(l.quantidade) over (order by l.expira_em, l.pedido_id) - l.quantidade as before
            from (
                select r.ctid as tid, r.pedido_id, r.quantidade, r.expira_em
                from reserva r
                where r.sku = s.sku and not r.vendida and r.expira_em <= p_now
                order by r.expira_em
                limit s.shortage
            ) l
        ) c
        where c.before < s.shortage
    ),
    deleted as (
        delete from reserva r
        where r.ctid = any (array(select l.tid from lapsed l))
        returning r.sku, r.quantidade
    ),
    released as (
        select d.sku, sum(d.quantidade)::bigint as released from deleted d group by d.sku
    )
    update estoque e
    set reservado = e.reservado - r.released,
        quantidade = greatest(e.alvo, e.reservado - r.released + e.vendido),
        alterado_em = p_now
    from released r
    where e.sku = r.sku
    returning e.sku, r.released;
$$;

comment on function release_lapsed is
    'releases at least p_shortages[i] lapsed units of p_skus[i], or all if there are fewer; returns the released units';

revoke execute on function release_lapsed from public;
grant execute on function release_lapsed to estoque_runtime;
