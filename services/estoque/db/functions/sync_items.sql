-- Makes stock rows match the StockItems that declare them, one batch per call. The arrays are parallel, with one
-- element per item. An item owns its SKU from the moment it claims a row without an owner until it is deleted
-- (`p_ending`). The row then takes no new reservations, and is given up when the last one has ended.
--
-- It locks the stock rows of the batch by SKU, like every session that locks several, and decides on the locked rows.
-- It changes no order, so it locks none. Inserts wait for concurrent inserts of the same key and therefore go by SKU
-- too. It waits for a row and never skips it: the operator must learn the row's state after this item is applied.
create or replace function sync_items(
    p_owners text[], p_skus text[], p_names text[], p_quantities bigint[],
    p_paused boolean[], p_low_stock bigint[], p_ending boolean[]
) returns table (
    dono text, sku text, dono_atual text, situacao text, alvo bigint, quantidade bigint,
    reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint
)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    v_mark timestamptz;
    v_now timestamptz;
begin
    insert into estoque (sku, nome, alvo, quantidade, dono)
    select i.sku, i.nome, i.quantidade, i.quantidade, i.dono
    from unnest(p_owners, p_skus, p_names, p_quantities, p_ending) with ordinality
        as i (dono, sku, nome, quantidade, ending, ordinal)
    where not i.ending
    order by i.sku, i.ordinal
    on conflict do nothing;

    select max(t.alterado_em) into v_mark from (
        select e.alterado_em from estoque e where e.sku = any (p_skus) order by e.sku for no key update
    ) t;
    v_now := decision_time(v_mark, agora());

    -- Lapsed units are not committed, so they prevent neither a lower supply nor a deletion.
    perform from (
        select array_agg(e.sku) as skus,
               array_agg(case when i.ending then e.reservado
                              else e.reservado + e.vendido - i.quantidade end) as shortages
        from unnest(p_owners, p_skus, p_quantities, p_ending) as i (dono, sku, quantidade, ending)
        join estoque e on e.sku = i.sku and e.dono = i.dono
        where e.reservado > 0 and (i.ending or e.reservado + e.vendido > i.quantidade)
    ) s
    cross join lateral release_lapsed(s.skus, s.shortages, v_now)
    where s.skus is not null;

    update estoque e
    set nome = n.nome, alvo = n.alvo, quantidade = greatest(n.alvo, e.reservado + e.vendido),
        situacao = n.situacao, limite_baixo = n.limite_baixo, dono = n.dono, alterado_em = v_now
    from (
        -- A row without an owner goes to the first item of the batch that asks for it.
        select distinct on (i.sku) i.sku,
               case when i.ending then e.nome else i.nome end as nome,
               case when i.ending then e.alvo else i.quantidade end as alvo,
               case when i.ending then e.limite_baixo else i.limite_baixo end as limite_baixo,
               case when i.ending and e.reservado = 0 then null else i.dono end as dono,
               case when i.ending and e.reservado = 0 then 'Encerrado'
                    when i.ending then 'Encerrando'
                    when i.paused then 'Pausado'
                    else 'Ativo' end as situacao
        from unnest(p_owners, p_skus, p_names, p_quantities, p_paused, p_low_stock, p_ending) with ordinality
            as i (dono, sku, nome, quantidade, paused, limite_baixo, ending, ordinal)
        join estoque e on e.sku = i.sku
        where e.dono = i.dono or (e.dono is null and not i.ending)
        order by i.sku, i.ordinal
    ) n
    where e.sku = n.sku
        and (e.nome, e.alvo, e.situacao, e.limite_baixo, e.dono)
            is distinct from (n.nome, n.alvo, n.situacao, n.limite_baixo, n.dono);

    return query
    select i.dono, i.sku, s.dono, s.situacao, s.alvo, s.quantidade,
           s.reservado, s.vendido, s.disponivel, s.limite_baixo
    from unnest(p_owners, p_skus) as i (dono, sku)
    left join saldo s on s.sku = i.sku;
end $$;

comment on function sync_items is
    'makes stock rows match StockItems; returns the current row of each item: if dono_atual differs from dono, another '
    'item owns the row, or none does';

revoke execute on function sync_items from public;
grant execute on function sync_items to operador;
