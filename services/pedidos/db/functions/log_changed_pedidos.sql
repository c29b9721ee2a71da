-- Updates that leave `versao` alone change nothing that a customer sees.
--
-- A session plans the query once, for the number of rows of its first statement. If that changed one row, a nested loop
-- would join the hundreds of rows of later statements in quadratic time.
create or replace function log_changed_pedidos() returns trigger
language plpgsql set search_path = public, pg_temp set enable_nestloop = off as $$
begin
    insert into mudanca (pedidos, clientes, status, versoes, atualizado_em, expira_em)
    select array_agg(n.id), array_agg(n.cliente_id), array_agg(n.status), array_agg(n.versao),
        array_agg(n.atualizado_em), array_agg(n.expira_em)
    from (
        select n.* from new_rows n join old_rows o on o.id = n.id where n.versao <> o.versao order by n.id
    ) n
    having count(*) > 0;
    return null;
end $$;

comment on function log_changed_pedidos is 'trigger: logs the orders that a statement gave a new version, in one row';
