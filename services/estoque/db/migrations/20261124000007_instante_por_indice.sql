-- migrate:up

-- agora() is volatile, so no index can be searched for it: each look at a balance read all live lines of its SKU, and
-- each sweep all live reservations. Asked once, in a subquery, it is a value that the index takes.
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
       e.alterado_em
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as vencido
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= (select agora())
) l;

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

-- migrate:down

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
       e.alterado_em
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as vencido
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= agora()
) l;

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
