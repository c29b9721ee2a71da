-- migrate:up

-- The clock of a SKU never goes back. Its stock row keeps the instant of its last change (`alterado_em`), an order that
-- of its own (`atualizado_em`); under their locks nothing is decided at an earlier one. Else a clock that steps back after
-- lapsed units went to another order would make their first order live again.
--
-- `p_marca` is the latest of these instants, `p_agora` the clock. A mark more than ten minutes ahead was set by a clock
-- that was wrong and has been put right: to wait for it could hold units for years. Then the missing lines tell that a
-- reservation has lapsed.
create function instante(p_marca timestamptz, p_agora timestamptz) returns timestamptz
language sql immutable as $$
    select case when p_marca > p_agora and p_marca < p_agora + interval '10 minutes' then p_marca else p_agora end;
$$;

grant execute on function instante to conferente;
grant select (alterado_em) on estoque to conferente;

-- As before, with the clock of each SKU.
create or replace view saldo as
select e.sku,
       e.nome,
       e.alvo,
       greatest(e.alvo, e.reservado - l.vencido + e.vendido) as quantidade,
       e.reservado - l.vencido as reservado,
       e.vendido,
       greatest(e.alvo - (e.reservado - l.vencido) - e.vendido, 0) as disponivel,
       e.situacao,
       e.limite_baixo,
       e.dono,
       e.alterado_em,
       e.ctid as lugar
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as vencido
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= case
        when e.alterado_em > (select agora()) and e.alterado_em < (select agora()) + interval '10 minutes'
        then e.alterado_em else (select agora())
    end
) l;

-- As before, with the clock of the SKUs and orders that are swept.
create or replace function expirar_reservas(p_limite integer)
returns integer
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    v_pedidos uuid[];
    v_skus text[];
    v_marca timestamptz;
    v_agora timestamptz;
begin
    select array_agg(t.id) into v_pedidos from (
        select p.id from pedido p
        where p.id in (
            select c.id from pedido c
            where c.status = 'EstoqueReservado' and c.expira_em <= (select agora())
            order by c.expira_em
            limit p_limite
        ) and p.status = 'EstoqueReservado' and p.expira_em <= agora()
        order by p.id
        for update skip locked
    ) t;
    if v_pedidos is null then
        return 0;
    end if;

    begin
        select max(t.alterado_em) into v_marca from (
            select e.alterado_em from estoque e
            where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida)
            order by e.sku
            for no key update
        ) t;
    exception when lock_not_available then
        -- Somebody holds one of these SKUs for long. The orders that do not need it are swept; nothing is decided about
        -- units of a row that is not locked.
        select max(t.alterado_em), array_agg(t.sku) into v_marca, v_skus from (
            select e.alterado_em, e.sku from estoque e
            where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida)
            order by e.sku
            for no key update skip locked
        ) t;
        select array_agg(o.id) into v_pedidos from unnest(v_pedidos) as o (id)
        where not exists (
            select from reserva r
            where r.pedido_id = o.id and not r.vendida and r.sku <> all (coalesce(v_skus, '{}'))
        );
        if v_pedidos is null then
            return 0;
        end if;
    end;
    -- Their time is over: it was when they were found.
    v_agora := instante(
        greatest(v_marca, (select max(greatest(p.atualizado_em, p.expira_em)) from pedido p where p.id = any (v_pedidos))),
        agora());

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

-- As before, with the clock of the SKUs.
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

-- migrate:down

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

create or replace function expirar_reservas(p_limite integer)
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
            where c.status = 'EstoqueReservado' and c.expira_em <= (select agora())
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

create or replace view saldo as
select e.sku,
       e.nome,
       e.alvo,
       greatest(e.alvo, e.reservado - l.vencido + e.vendido) as quantidade,
       e.reservado - l.vencido as reservado,
       e.vendido,
       greatest(e.alvo - (e.reservado - l.vencido) - e.vendido, 0) as disponivel,
       e.situacao,
       e.limite_baixo,
       e.dono,
       e.alterado_em,
       e.ctid as lugar
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as vencido
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= (select agora())
) l;

revoke select (alterado_em) on estoque from conferente;
drop function instante;
