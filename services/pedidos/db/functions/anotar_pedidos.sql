-- Triggers on the table log every new order and every new version, regardless of its source. They lock nothing: a log
-- entry is an insert, ordered by its transaction. Instants are written in UTC, regardless of the session's time zone.
create or replace function anotar_pedidos_criados() returns trigger
language plpgsql set timezone = 'UTC' set search_path = public, pg_temp as $$
begin
    insert into mudanca (pedidos)
    select jsonb_agg(resumo_do_pedido(n) order by n.id) from novos n having count(*) > 0;
    return null;
end $$;

comment on function anotar_pedidos_criados is 'trigger: logs the orders that a statement created, in one row';

-- Updates that leave `versao` alone change nothing that a customer sees.
create or replace function anotar_pedidos_mudados() returns trigger
language plpgsql set timezone = 'UTC' set search_path = public, pg_temp as $$
begin
    insert into mudanca (pedidos)
    select jsonb_agg(resumo_do_pedido(n) order by n.id)
    from novos n
    join antigos a on a.id = n.id
    where n.versao <> a.versao
    having count(*) > 0;
    return null;
end $$;

comment on function anotar_pedidos_mudados is 'trigger: logs the orders that a statement gave a new version, in one row';
