-- migrate:up

-- As before, but the lines are deleted where they were found: nobody else changes lines of a SKU whose stock row is
-- locked, as the caller has it. By key PostgreSQL, which cannot know how few they are, read all lines of all orders.
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

-- migrate:down

-- Gives back up to `p_faltas[i]` units of `p_skus[i]` that lapsed reservations still hold, oldest first and
-- whole lines, so perhaps a few units more. The caller holds the stock locks of these SKUs. Every line has at
-- least one unit: `falta` lines always suffice, whatever number of them has lapsed.
create or replace function liberar_vencidas(p_skus text[], p_faltas bigint[], p_agora timestamptz)
returns table (sku text, liberado bigint)
language sql volatile as $$
    with vencida as (
        select r.pedido_id, r.sku, r.antes, f.falta
        from unnest(p_skus, p_faltas) as f (sku, falta)
        cross join lateral (
            select c.pedido_id, c.sku,
                   sum(c.quantidade) over (order by c.expira_em, c.pedido_id) - c.quantidade as antes
            from (
                select v.pedido_id, v.sku, v.quantidade, v.expira_em
                from reserva v
                where v.sku = f.sku and not v.vendida and v.expira_em <= p_agora
                order by v.expira_em
                limit f.falta
            ) c
        ) r
    ),
    apagada as (
        delete from reserva r
        using vencida v
        where r.pedido_id = v.pedido_id and r.sku = v.sku and v.antes < v.falta
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
