-- migrate:up

-- Which SKUs changed, for the event streams: a row a statement, so that it costs an order the less the more there
-- are. Readers go by `transacao`: whatever commits after all older ones have ended has a higher one, so that nothing
-- can come in behind a reader. Rows are purged from the oldest on and the newest one stays: while the row of a
-- position is there, all that followed it are.
create table mudanca (
    id        bigint generated always as identity,
    transacao xid8 not null default pg_current_xact_id(),
    skus      text[] not null,
    criado_em timestamptz not null default agora(),
    primary key (transacao, id)
);
insert into mudanca (skus) values ('{}');

-- On the table, so that whoever changes balances is told of: batches, sweeps, the operator, a person.
create function anotar_skus_mudados() returns trigger
language plpgsql set search_path = public, pg_temp as $$
declare
    v_skus text[];
begin
    case tg_op
        when 'INSERT' then
            select array_agg(n.sku order by n.sku) into v_skus from novas n;
        when 'DELETE' then
            select array_agg(a.sku order by a.sku) into v_skus from antigas a;
        else
            -- Only what customers see; `quantidade` and `disponivel` follow from these.
            select array_agg(n.sku order by n.sku) into v_skus
            from novas n
            join antigas a on a.sku = n.sku
            where (n.nome, n.alvo, n.reservado, n.vendido, n.situacao = 'Encerrado')
                is distinct from (a.nome, a.alvo, a.reservado, a.vendido, a.situacao = 'Encerrado');
    end case;
    if v_skus is not null then
        insert into mudanca (skus) values (v_skus);
    end if;
    return null;
end $$;

create trigger estoque_criado
after insert on estoque referencing new table as novas
for each statement execute function anotar_skus_mudados();

create trigger estoque_mudado
after update on estoque referencing old table as antigas new table as novas
for each statement execute function anotar_skus_mudados();

create trigger estoque_apagado
after delete on estoque referencing old table as antigas
for each statement execute function anotar_skus_mudados();

-- migrate:down

drop trigger estoque_apagado on estoque;
drop trigger estoque_mudado on estoque;
drop trigger estoque_criado on estoque;
drop function anotar_skus_mudados;
drop table mudanca;
