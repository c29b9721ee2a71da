-- Triggers on the table log every new order and every new version, regardless of its source. They lock nothing: a log
-- entry is an insert, ordered by its transaction. The columns of an entry are those of its orders, as arrays: an event
-- stream delivers every version of an order, including superseded ones.
create or replace function log_created_pedidos() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
    insert into mudanca (pedidos, clientes, status, versoes, atualizado_em, expira_em)
    select array_agg(n.id), array_agg(n.cliente_id), array_agg(n.status), array_agg(n.versao),
        array_agg(n.atualizado_em), array_agg(n.expira_em)
    from (select * from new_rows order by id) n
    having count(*) > 0;
    return null;
end $$;

comment on function log_created_pedidos is 'trigger: logs the orders that a statement created, in one row';
