-- migrate:up

-- What `conferir` reads to prove that nothing was oversold or lost, and nothing else.
do $$
begin
    if not exists (select from pg_roles where rolname = 'conferente') then
        raise exception 'role "conferente" is missing: create it (create role conferente login password ...) before '
            'migrating; roles belong to whoever provides the server, see docs/';
    end if;
end $$;
grant select (sku, alvo, quantidade, reservado, vendido, arquivado) on estoque to conferente;
grant select (id, status, versao, itens, itens_em_falta, expira_em, criado_em, atualizado_em) on pedido to conferente;
grant select (pedido_id, sku, quantidade, expira_em, vendida) on reserva to conferente;
grant select (evento_id, recusa) on inbox to conferente;
grant select (pedido_id) on outbox to conferente;
grant execute on function agora to conferente;

-- The sold units of a SKU are added up in small steps, as those that are held are by `reserva_a_vencer`.
create index reserva_vendida on reserva (sku) include (quantidade) where vendida;

-- migrate:down

drop index reserva_vendida;
revoke execute on function agora from conferente;
revoke select (pedido_id) on outbox from conferente;
revoke select (evento_id, recusa) on inbox from conferente;
revoke select (pedido_id, sku, quantidade, expira_em, vendida) on reserva from conferente;
revoke select (id, status, versao, itens, itens_em_falta, expira_em, criado_em, atualizado_em)
    on pedido from conferente;
revoke select (sku, alvo, quantidade, reservado, vendido, arquivado) on estoque from conferente;
