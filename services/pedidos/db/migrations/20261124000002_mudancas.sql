-- migrate:up

-- What changed, for the event streams: a row a statement, so that it costs an order the less the more there are.
-- Readers go by `transacao`: whatever commits after all older ones have ended has a higher one, so that nothing can
-- come in behind a reader. Rows are purged from the oldest on and the newest one stays: while the row of a position
-- is there, all that followed it are.
create table mudanca (
    id        bigint generated always as identity,
    transacao xid8 not null default pg_current_xact_id(),
    pedidos   jsonb not null,
    criado_em timestamptz not null default agora(),
    primary key (transacao, id)
);
insert into mudanca (pedidos) values ('[]');

-- What a stream tells of an order.
create function resumo_do_pedido(p_pedido pedido) returns jsonb
language sql stable as $$
    select jsonb_build_object(
        'pedidoId', p_pedido.id,
        'clienteId', p_pedido.cliente_id,
        'status', p_pedido.status,
        'versao', p_pedido.versao,
        'atualizadoEm', p_pedido.atualizado_em,
        'expiraEm', p_pedido.expira_em
    );
$$;

create function anotar_pedidos_criados() returns trigger
language plpgsql set timezone = 'UTC' set search_path = public, pg_temp as $$
begin
    insert into mudanca (pedidos)
    select jsonb_agg(resumo_do_pedido(n) order by n.id) from novos n having count(*) > 0;
    return null;
end $$;

create function anotar_pedidos_mudados() returns trigger
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

create trigger pedidos_criados
after insert on pedido referencing new table as novos
for each statement execute function anotar_pedidos_criados();

create trigger pedidos_mudados
after update on pedido referencing old table as antigos new table as novos
for each statement execute function anotar_pedidos_mudados();

-- migrate:down

drop trigger pedidos_mudados on pedido;
drop trigger pedidos_criados on pedido;
drop function anotar_pedidos_mudados, anotar_pedidos_criados, resumo_do_pedido;
drop table mudanca;
