-- migrate:up

-- Gives back up to `p_faltas[i]` units of `p_skus[i]` that lapsed reservations still hold, oldest first and
-- whole lines, so perhaps a few units more. The caller holds the stock locks of these SKUs. Every line has at
-- least one unit: `falta` lines always suffice, whatever number of them has lapsed.
create function liberar_vencidas(p_skus text[], p_faltas bigint[], p_agora timestamptz)
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

-- The smallest UUIDv7 of an instant (RFC 9562, section 5.7): ids made before it are smaller.
create function uuid_de(p_instante timestamptz)
returns uuid
language sql immutable strict as $$
    select (lpad(to_hex((extract(epoch from p_instante) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
$$;

-- Sweeps up to `p_limite` lapsed reservations and says how many it swept; call it until it says fewer than the
-- limit. Orders that somebody else works on are left for the next call; whether an order has lapsed is
-- decided by the row that was locked, not by the one that was found.
create function expirar_reservas(p_limite integer)
returns integer
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    v_pedidos uuid[];
    v_agora timestamptz;
begin
    select array_agg(t.id) into v_pedidos from (
        select p.id from pedido p
        where p.id in (
            select c.id from pedido c
            where c.status = 'EstoqueReservado' and c.expira_em <= agora()
            order by c.expira_em
            limit p_limite
        ) and p.status = 'EstoqueReservado' and p.expira_em <= agora()
        order by p.id
        for update skip locked
    ) t;
    if v_pedidos is null then
        return 0;
    end if;

    perform 1 from estoque e
    where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida)
    order by e.sku
    for no key update;
    v_agora := agora();

    with apagada as (
        delete from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida
        returning r.sku, r.quantidade
    ),
    liberada as (
        select a.sku, sum(a.quantidade) as liberado from apagada a group by a.sku
    )
    update estoque e
    set reservado = e.reservado - l.liberado,
        quantidade = greatest(e.alvo, e.reservado - l.liberado + e.vendido),
        alterado_em = v_agora
    from liberada l
    where e.sku = l.sku;

    with expirado as (
        update pedido p
        set status = 'ReservaExpirada', versao = p.versao + 1, expira_em = null, atualizado_em = v_agora
        where p.id = any (v_pedidos)
        returning p.*
    )
    insert into outbox (pedido_id, versao, status, expira_em, itens_em_falta, criado_em)
    select x.id, x.versao, x.status, x.expira_em, x.itens_em_falta, v_agora from expirado x;

    return cardinality(v_pedidos);
end $$;

-- Makes the stock rows say what StockItems say, a batch at a time; arrays run in parallel, one element an item.
-- An item owns its SKU from the moment it claims a row nobody owns until it is deleted (`p_encerrar`): then no
-- new reservation is made, and the row is given up once the last one has ended. Returns a row an item: what the
-- row says now. `dono_atual` other than `dono` means that the row is not (or no longer) this item's.
create function sincronizar_itens(
    p_donos text[], p_skus text[], p_nomes text[], p_quantidades bigint[],
    p_pausados boolean[], p_limites bigint[], p_encerrar boolean[]
) returns table (
    dono text, sku text, dono_atual text, situacao text, alvo bigint, quantidade bigint,
    reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint
)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    v_agora timestamptz;
begin
    insert into estoque (sku, nome, alvo, quantidade, dono)
    select i.sku, i.nome, i.quantidade, i.quantidade, i.dono
    from unnest(p_donos, p_skus, p_nomes, p_quantidades, p_encerrar) with ordinality
        as i (dono, sku, nome, quantidade, encerrar, ordem)
    where not i.encerrar
    order by i.sku, i.ordem
    on conflict do nothing;

    perform 1 from estoque e where e.sku = any (p_skus) order by e.sku for no key update;
    v_agora := agora();

    -- Lapsed units are not committed: they stand in the way neither of a lower supply nor of a deletion.
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
        -- A row nobody owns goes to the first item of the batch that asks for it.
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

-- Balances of the rows that changed at or after `p_desde`, all of them when it is null. A transaction commits
-- later than the instant it writes into `alterado_em`, so ask for some seconds more than you have seen.
create function ler_saldos(p_desde timestamptz)
returns table (
    sku text, dono text, situacao text, nome text, alvo bigint, quantidade bigint, reservado bigint,
    vendido bigint, disponivel bigint, limite_baixo bigint, alterado_em timestamptz
)
language sql volatile security definer set search_path = public, pg_temp as $$
    select s.sku, s.dono, s.situacao, s.nome, s.alvo, s.quantidade, s.reservado,
           s.vendido, s.disponivel, s.limite_baixo, s.alterado_em
    from saldo s
    where p_desde is null or s.alterado_em >= p_desde;
$$;

-- Purges up to `p_limite` orders that ended before `p_antes` and says how many. Their sold units stay sold: what
-- the lines told is kept as a sum. Ids are UUIDv7, so the oldest orders are the first ones of the key.
create function purgar_pedidos(p_antes timestamptz, p_limite integer)
returns integer
language plpgsql volatile set search_path = public, pg_temp as $$
declare
    v_pedidos uuid[];
begin
    select array_agg(t.id) into v_pedidos from (
        select p.id from pedido p
        where p.status in ('Fechado', 'Cancelado', 'EstoqueNaoDisponivel') and p.atualizado_em < p_antes
            and p.id < uuid_de(p_antes)
        order by p.id
        limit p_limite
        for update skip locked
    ) t;
    if v_pedidos is null then
        return 0;
    end if;

    perform 1 from estoque e
    where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos))
    order by e.sku
    for no key update;

    with apagada as (
        delete from reserva r where r.pedido_id = any (v_pedidos) returning r.sku, r.quantidade
    ),
    arquivada as (
        select a.sku, sum(a.quantidade) as vendido from apagada a group by a.sku
    )
    update estoque e set arquivado = e.arquivado + a.vendido from arquivada a where e.sku = a.sku;

    delete from pedido p where p.id = any (v_pedidos);
    return cardinality(v_pedidos);
end $$;

-- The operator's role may do these three things and nothing else.
do $$
begin
    if not exists (select from pg_roles where rolname = 'operador') then
        raise exception 'role "operador" is missing: create it (create role operador login password ...) before '
            'migrating; roles belong to whoever provides the server, see docs/';
    end if;
end $$;
revoke execute on function sincronizar_itens, expirar_reservas, ler_saldos, liberar_vencidas, purgar_pedidos from public;
grant execute on function sincronizar_itens, expirar_reservas, ler_saldos to operador;

-- migrate:down

drop function purgar_pedidos, ler_saldos, sincronizar_itens, expirar_reservas, uuid_de, liberar_vencidas;
