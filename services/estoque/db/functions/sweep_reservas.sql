-- The sweep: ends lapsed reservations, returns their units and records a fact for each order, in one row of the outbox.
--
-- It follows the one lock order, orders by id and then stock rows by SKU, so it cannot deadlock with a batch. Orders
-- are locked with `skip locked`: a locked order is being changed and is left for the next call. The conditions are
-- checked again on the locked row, because an order found to have lapsed may have been renewed before it was locked.
create or replace function sweep_reservas(p_limit integer)
returns integer
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    v_pedidos uuid[];
    v_skus text[];
    v_mark timestamptz;
    v_now timestamptz;
begin
    -- In two steps, because in one the planner may read all reserved orders to find that none has lapsed.
    select array_agg(c.id) into v_pedidos from (
        select p.id from pedido p
        where p.status = 'EstoqueReservado' and p.expira_em <= (select agora())
        order by p.expira_em
        limit p_limit
    ) c;
    if v_pedidos is null then
        return 0;
    end if;
    select array_agg(t.id) into v_pedidos from (
        select p.id from pedido p
        where p.id = any (v_pedidos) and p.status = 'EstoqueReservado' and p.expira_em <= agora()
        order by p.id
        for update skip locked
    ) t;
    if v_pedidos is null then
        return 0;
    end if;

    -- Counters change, so their rows are locked, and waited for up to `lock_timeout`: skipping one would leave units
    -- counted as reserved without a line that holds them.
    begin
        select max(t.alterado_em) into v_mark from (
            select e.alterado_em from estoque e
            where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida)
            order by e.sku
            for no key update
        ) t;
    exception when lock_not_available then
        -- Another session holds one of these rows for longer. Lock what can be locked at once and sweep the orders that
        -- need nothing else: units are only ever decided on under the lock of their stock row.
        select max(t.alterado_em), array_agg(t.sku) into v_mark, v_skus from (
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
    -- These orders had lapsed when they were locked. Should the clock step back after that, they still have: the
    -- decision is made no earlier than their expiry.
    v_now := decision_time(
        greatest(v_mark, (select max(greatest(p.atualizado_em, p.expira_em)) from pedido p where p.id = any (v_pedidos))),
        agora());

    with deleted as (
        delete from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida
        returning r.sku, r.quantidade
    ),
    released as (
        select d.sku, sum(d.quantidade) as released from deleted d group by d.sku
    )
    update estoque e
    set reservado = e.reservado - r.released,
        quantidade = greatest(e.alvo, e.reservado - r.released + e.vendido),
        alterado_em = v_now
    from released r
    where e.sku = r.sku;

    with swept as (
        update pedido p
        set status = 'ReservaExpirada', versao = p.versao + 1, expira_em = null, atualizado_em = v_now
        where p.id = any (v_pedidos)
        returning p.id, p.versao, p.status, p.itens_em_falta
    )
    insert into outbox (quantos, pedidos, versoes, status, itens_em_falta, criado_em)
    select count(*), array_agg(s.id), array_agg(s.versao), array_agg(s.status), array_agg(s.itens_em_falta), v_now
    from (select * from swept order by id) s;

    return cardinality(v_pedidos);
end $$;

comment on function sweep_reservas is
    'sweeps up to p_limit lapsed reservations and returns their number; fewer than the limit when no more are due, or '
    'the others are locked';

revoke execute on function sweep_reservas from public;
grant execute on function sweep_reservas to operador;
