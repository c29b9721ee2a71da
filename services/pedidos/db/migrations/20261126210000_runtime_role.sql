-- migrate:up

-- pedidos connects as a role that cannot change the schema; the owner of the database runs only migrations. A migration
-- that adds a table grants the privileges that the program needs; a test fails for tables without grants.
do $$
begin
    if not exists (select from pg_roles where rolname = 'pedidos_runtime') then
        raise exception 'role "pedidos_runtime" is missing: create it (create role pedidos_runtime login password ...) before '
            'migrating; the provider of the server creates the roles, see docs/operations.md, Database roles';
    end if;
    execute format('grant connect on database %I to pedidos_runtime', current_database());
end $$;

-- The customer and the items of an order cannot be changed.
grant select, insert, delete on pedido to pedidos_runtime;
grant update (status, versao, itens_em_falta, expira_em, atualizado_em, causa, perguntar_em) on pedido to pedidos_runtime;
grant select, insert, delete on comando to pedidos_runtime;
grant update (reenviar_em, envios, respondido_em, recusa) on comando to pedidos_runtime;

-- Rows that are only inserted and deleted are locked before deletion, which requires the UPDATE privilege.
grant select, insert, update, delete on outbox, idempotencia, mudanca, bilhete to pedidos_runtime;

-- Pods wait until every migration of their image has been applied.
grant select on schema_migrations to pedidos_runtime;

-- migrate:down

revoke all on pedido, comando, outbox, idempotencia, mudanca, bilhete, schema_migrations from pedidos_runtime;
do $$
begin
    execute format('revoke connect on database %I from pedidos_runtime', current_database());
end $$;
