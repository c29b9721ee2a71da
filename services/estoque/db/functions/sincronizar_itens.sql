-- Makes stock rows match the StockItems that declare them, one batch per call. The arrays are parallel, with one
-- element per item. An item owns its SKU from the moment it claims a row without an owner until it is deleted
-- (`p_encerrar`). The row then takes no new reservations, and is given up when the last one has ended.
--
-- It locks the stock rows of the batch by SKU, like every session that locks several, and decides on the locked rows.
-- It changes no order, so it locks none. Inserts wait for concurrent inserts of the same key and therefore go by SKU
-- too. It waits for a row and never skips it: the operator must learn the row's state after this item is applied.
create or replace function sincronizar_itens(
    p_donos text[], p_skus text[], p_nomes text[], p_quantidades bigint[],
    p_pausados boolean[], p_limites bigint[], p_encerrar boolean[]
) returns table (
    dono text, sku text, dono_atual text, situacao text, alvo bigint, quantidade bigint,
    reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint
)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    v_marca timestamptz;
    v_agora timestamptz;
begin
    insert into estoque (sku, nome, alvo, quantidade, dono)
    select i.sku, i.nome, i.quantidade, i.quantidade, i.dono
    from unnest(p_donos, p_skus, p_nomes, p_quantidades, p_encerrar) with ordinality
        as i (dono, sku, nome, quantidade, encerrar, ordem)
    where not i.encerrar
    order by i.sku, i.ordem
    on conflict do nothing;

    select max(t.alterado_em) into v_marca from (
        select e.alterado_em from estoque e where e.sku = any (p_skus) order by e.sku for no key update
    ) t;
    v_agora := instante(v_marca, agora());

    -- Lapsed units are not committed, so they prevent neither a lower supply nor a deletion.
    perform from (
        select array_agg(e.sku) as skus,
               array_agg(case when i.encerrar then e.reservado
                              else e.reservado + e.vendido - i.quantidade end) as faltas
        from unnest(p_donos, p_skus, p_quantidades, p_encerrar) as i (dono, sku, quantidade, encerrar)
        join estoque e on e.sku = i.sku and e.dono = i.dono
        where e.reservado > 0 and (i.encerrar or e.reservado + e.vendido > i.quantidade)
    ) f
    cross join lateral liberar_vencidas(f.skus, f.faltas, v_agora)
    where f.skus is not null;

    update estoque e
    set nome = n.nome, alvo = n.alvo, quantidade = greatest(n.alvo, e.reservado + e.vendido),
        situacao = n.situacao, limite_baixo = n.limite, dono = n.dono, alterado_em = v_agora
    from (
        -- A row without an owner goes to the first item of the batch that asks for it.
        select distinct on (i.sku) i.sku,
               case when i.encerrar then a.nome else i.nome end as nome,
               case when i.encerrar then a.alvo else i.quantidade end as alvo,
               case when i.encerrar then a.limite_baixo else i.limite end as limite,
               case when i.encerrar and a.reservado = 0 then null else i.dono end as dono,
               case when i.encerrar and a.reservado = 0 then 'Encerrado'
                    when i.encerrar then 'Encerrando'
                    when i.pausado then 'Pausado'
                    else 'Ativo' end as situacao
        from unnest(p_donos, p_skus, p_nomes, p_quantidades, p_pausados, p_limites, p_encerrar) with ordinality
            as i (dono, sku, nome, quantidade, pausado, limite, encerrar, ordem)
        join estoque a on a.sku = i.sku
        where a.dono = i.dono or (a.dono is null and not i.encerrar)
        order by i.sku, i.ordem
    ) n
    where e.sku = n.sku
        and (e.nome, e.alvo, e.situacao, e.limite_baixo, e.dono)
            is distinct from (n.nome, n.alvo, n.situacao, n.limite, n.dono);

    return query
    select i.dono, i.sku, s.dono, s.situacao, s.alvo, s.quantidade,
           s.reservado, s.vendido, s.disponivel, s.limite_baixo
    from unnest(p_donos, p_skus) as i (dono, sku)
    left join saldo s on s.sku = i.sku;
end $$;

comment on function sincronizar_itens is
    'makes stock rows match StockItems; returns the row as it is now, one per item: dono_atual other than dono means that '
    'another item owns the row, or none does';

revoke execute on function sincronizar_itens from public;
grant execute on function sincronizar_itens to operador;
