-- migrate:up

-- estoque connects as a role that cannot change the schema; the owner of the database runs only migrations. A migration
-- that adds a table grants the privileges that the program needs; a test fails for tables without grants.
do $$
begin
    if not exists (select from pg_roles where rolname = 'estoque_runtime') then
        raise exception 'role "estoque_runtime" is missing: create it (create role estoque_runtime login password ...) before '
            'migrating; the provider of the server creates the roles, see docs/operations.md, Database roles';
    end if;
    execute format('grant connect on database %I to estoque_runtime', current_database());
end $$;

-- Only StockItems determine which SKUs exist and their declared supply (`sincronizar_itens`).
grant select on estoque to estoque_runtime;
grant update (quantidade, reservado, vendido, arquivado, alterado_em) on estoque to estoque_runtime;

grant select, insert, delete on pedido to estoque_runtime;
grant update (status, versao, itens_em_falta, expira_em, atualizado_em) on pedido to estoque_runtime;
grant select, insert, delete on reserva to estoque_runtime;
grant select, insert, delete on inbox to estoque_runtime;
grant update (recusa) on inbox to estoque_runtime;

-- Rows that are only inserted and deleted are locked before deletion, which requires the UPDATE privilege.
grant select, insert, update, delete on outbox, mudanca, bilhete to estoque_runtime;

-- begin functions/saldo.sql
-- What customers and the operator see: lapsed reservations do not count, whether or not they have been swept. It takes
-- no locks: a balance is information, and orders are decided on locked rows.
--
-- `agora()` is volatile, so the planner cannot use a call of it as an index condition and would read all held lines
-- of a SKU. A scalar subquery is evaluated once and gives the index a constant. The rule of `instante` is spelled out
-- because the planner does not inline a function whose arguments are subqueries: with calls, reading all balances
-- took 2.3 times as long.
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
    where r.sku = e.sku and not r.vendida and r.expira_em <= case
        when e.alterado_em > (select agora()) and e.alterado_em < (select agora()) + recuo_tolerado()
        then e.alterado_em else (select agora())
    end
) l;

comment on view saldo is 'balances by SKU, without reservations that have lapsed';

grant select on saldo to estoque_runtime;
-- end functions/saldo.sql

-- begin functions/liberar_vencidas.sql
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
    'releases at least p_faltas[i] lapsed units of p_skus[i], if there are as many; returns what it released, a row a SKU';

revoke execute on function liberar_vencidas from public;
grant execute on function liberar_vencidas to estoque_runtime;
-- end functions/liberar_vencidas.sql

-- begin functions/purgar_pedidos.sql
-- Purges ended orders. Their sold units stay sold: the sum of their lines moves into `estoque.arquivado`.
--
-- It follows the one lock order, orders by id and then stock rows by SKU. It skips a locked order, which a later
-- round finds. It waits for stock rows: `arquivado` must change together with the lines that it replaces.
create or replace function purgar_pedidos(p_antes timestamptz, p_limite integer, p_depois uuid)
returns table (seen integer, purged integer, last uuid)
language plpgsql set search_path = public, pg_temp as $$
declare
    v_vistos uuid[];
    v_pedidos uuid[];
begin
    select array_agg(t.id order by t.id) into v_vistos from (
        select p.id from pedido p
        where p.id > coalesce(p_depois, '00000000-0000-0000-0000-000000000000') and p.id < uuid_de(p_antes)
        order by p.id
        limit p_limite
    ) t;

    select array_agg(t.id) into v_pedidos from (
        select p.id from pedido p
        where p.id = any (v_vistos) and p.atualizado_em < p_antes
            and p.status in ('Fechado', 'Cancelado', 'EstoqueNaoDisponivel')
        order by p.id
        for update skip locked
    ) t;

    if v_pedidos is not null then
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
    end if;

    return query
    select coalesce(cardinality(v_vistos), 0), coalesce(cardinality(v_pedidos), 0), v_vistos[cardinality(v_vistos)];
end $$;

comment on function purgar_pedidos is
    'of the next p_limite orders after p_depois (null: from the first) that are older than p_antes, purges those that also '
    'ended before it; returns how many it looked at (seen) and purged, and the id of the last one';

revoke execute on function purgar_pedidos from public;
grant execute on function purgar_pedidos to estoque_runtime;
-- end functions/purgar_pedidos.sql

-- Pods wait until every migration of their image has been applied.
grant select on schema_migrations to estoque_runtime;

-- migrate:down

revoke all on function liberar_vencidas, purgar_pedidos from estoque_runtime;
revoke all on estoque, saldo, pedido, reserva, inbox, outbox, mudanca, bilhete, schema_migrations from estoque_runtime;
do $$
begin
    execute format('revoke connect on database %I from estoque_runtime', current_database());
end $$;
