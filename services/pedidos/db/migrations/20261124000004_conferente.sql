-- migrate:up

-- What `conferir` reads to prove that no order was lost, and nothing else: whose an order is, it does not see.
do $$
begin
    if not exists (select from pg_roles where rolname = 'conferente') then
        raise exception 'role "conferente" is missing: create it (create role conferente login password ...) before '
            'migrating; roles belong to whoever provides the server, see docs/';
    end if;
end $$;
grant select (id, status, versao, itens, itens_em_falta, expira_em, criado_em, atualizado_em) on pedido to conferente;
grant select (id, pedido_id, tipo, criado_em, reenviar_em, respondido_em, recusa) on comando to conferente;
grant select (id) on outbox to conferente;
grant execute on function agora, uuid_de to conferente;

-- migrate:down

revoke execute on function agora, uuid_de from conferente;
revoke select (id) on outbox from conferente;
revoke select (id, pedido_id, tipo, criado_em, reenviar_em, respondido_em, recusa) on comando from conferente;
revoke select (id, status, versao, itens, itens_em_falta, expira_em, criado_em, atualizado_em)
    on pedido from conferente;
