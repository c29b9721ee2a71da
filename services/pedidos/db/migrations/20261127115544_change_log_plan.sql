-- migrate:up

-- begin functions/anotar_pedidos.sql
-- Triggers on the table log every new order and every new version, regardless of its source. They lock nothing: a log
-- entry is an insert, ordered by its transaction. The columns of an entry are those of its orders, as arrays: an event
-- stream delivers every version of an order, including superseded ones.
create or replace function anotar_pedidos_criados() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
    insert into mudanca (pedidos, clientes, status, versoes, atualizado_em, expira_em)
    select array_agg(n.id), array_agg(n.cliente_id), array_agg(n.status), array_agg(n.versao),
        array_agg(n.atualizado_em), array_agg(n.expira_em)
    from (select * from novos order by id) n
    having count(*) > 0;
    return null;
end $$;

comment on function anotar_pedidos_criados is 'trigger: logs the orders that a statement created, in one row';

-- Updates that leave `versao` alone change nothing that a customer sees.
--
-- A session plans the query once, for the number of rows of its first statement. If that changed one row, a nested loop
-- would join the hundreds of rows of later statements in quadratic time.
create or replace function anotar_pedidos_mudados() returns trigger
language plpgsql set search_path = public, pg_temp set enable_nestloop = off as $$
begin
    insert into mudanca (pedidos, clientes, status, versoes, atualizado_em, expira_em)
    select array_agg(n.id), array_agg(n.cliente_id), array_agg(n.status), array_agg(n.versao),
        array_agg(n.atualizado_em), array_agg(n.expira_em)
    from (
        select n.* from novos n join antigos a on a.id = n.id where n.versao <> a.versao order by n.id
    ) n
    having count(*) > 0;
    return null;
end $$;

comment on function anotar_pedidos_mudados is 'trigger: logs the orders that a statement gave a new version, in one row';
-- end functions/anotar_pedidos.sql

-- migrate:down

-- Triggers on the table log every new order and every new version, regardless of its source. They lock nothing: a log
-- entry is an insert, ordered by its transaction. The columns of an entry are those of its orders, as arrays: an event
-- stream delivers every version of an order, including superseded ones.
create or replace function anotar_pedidos_criados() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
    insert into mudanca (pedidos, clientes, status, versoes, atualizado_em, expira_em)
    select array_agg(n.id), array_agg(n.cliente_id), array_agg(n.status), array_agg(n.versao),
        array_agg(n.atualizado_em), array_agg(n.expira_em)
    from (select * from novos order by id) n
    having count(*) > 0;
    return null;
end $$;

comment on function anotar_pedidos_criados is 'trigger: logs the orders that a statement created, in one row';

-- Updates that leave `versao` alone change nothing that a customer sees.
create or replace function anotar_pedidos_mudados() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
    insert into mudanca (pedidos, clientes, status, versoes, atualizado_em, expira_em)
    select array_agg(n.id), array_agg(n.cliente_id), array_agg(n.status), array_agg(n.versao),
        array_agg(n.atualizado_em), array_agg(n.expira_em)
    from (
        select n.* from novos n join antigos a on a.id = n.id where n.versao <> a.versao order by n.id
    ) n
    having count(*) > 0;
    return null;
end $$;

comment on function anotar_pedidos_mudados is 'trigger: logs the orders that a statement gave a new version, in one row';
