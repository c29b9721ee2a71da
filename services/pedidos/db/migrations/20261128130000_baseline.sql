-- migrate:up

-- The schema of the first release. Functions are copied from db/functions (make migration).

-- The provider of the server creates the roles. Migrations only grant them their privileges.
do $$
declare
    v_role text;
begin
    foreach v_role in array array['conferente', 'pedidos_runtime'] loop
        if not exists (select from pg_roles where rolname = v_role) then
            raise exception 'role "%" is missing: create it (create role % login password ...) before migrating; '
                'the provider of the server creates the roles, see docs/operations.md, Database roles', v_role, v_role;
        end if;
    end loop;
    execute format('grant connect on database %I to pedidos_runtime', current_database());
end $$;

-- begin functions/agora.sql
-- The only clock of this database. Simulations and tests replace this function to control time, so no statement reads the
-- time in any other way.
create or replace function agora() returns timestamptz
language sql volatile as 'select clock_timestamp()';

comment on function agora is 'the only clock of this database';

grant execute on function agora to conferente;
-- end functions/agora.sql

-- begin functions/uuidv7_floor.sql
-- Turns an instant into a bound on ids: ids are UUIDv7, so a range of ids is a range of creation times, and the primary
-- key finds rows by age without an index of its own.
create or replace function uuidv7_floor(p_instant timestamptz)
returns uuid
language sql immutable strict as $$
    select (lpad(to_hex((extract(epoch from p_instant) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
$$;

comment on function uuidv7_floor is
    'the smallest UUIDv7 of an instant (RFC 9562, section 5.7): ids generated before it are smaller';

grant execute on function uuidv7_floor to conferente;
-- end functions/uuidv7_floor.sql

-- Most orders are updated once, by estoque's answer, within a second. Half of each page is left free, so the new
-- version goes to the same page and WAL records only the changed columns. The items are `json`, because they are only
-- read as text; `jsonb` would take twice the space.
create table pedido (
    id             uuid primary key,
    cliente_id     text not null,
    itens          json not null,
    traceparent    text,
    status         text not null default 'Criado',
    versao         integer not null default 0,
    itens_em_falta jsonb not null default '[]',
    expira_em      timestamptz,
    criado_em      timestamptz not null default agora(),
    atualizado_em  timestamptz not null default agora(),
    causa          uuid,
    perguntar_em   timestamptz,

    constraint valid_status check (status in
        ('Criado', 'EstoqueReservado', 'EstoqueNaoDisponivel', 'ReservaExpirada', 'Fechado', 'Cancelado')),
    constraint versao_from_estoque check ((status = 'Criado') = (versao = 0))
) with (fillfactor = 50);

-- No query compares these columns, and reading their values takes `analyze` CPU time that orders need.
alter table pedido
    alter itens set statistics 0,
    alter itens_em_falta set statistics 0,
    alter traceparent set statistics 0;

comment on table pedido is 'an order as its customer sees it; also the command that creates it, with the same id';
comment on column pedido.traceparent is 'the trace context of the request that created it';
comment on column pedido.status is
    'from estoque, like the columns below up to expira_em: the snapshot with the highest versao received so far';
comment on column pedido.versao is 'the version of the snapshot; 0 until estoque has answered';
comment on column pedido.causa is 'the command that the snapshot answers';
comment on column pedido.perguntar_em is
    'the time to publish a command again: the creation until estoque answers, then causa if no snapshot follows the '
    'end of the reservation; null when no snapshot is awaited';

-- Lists by customer and by status, read backwards. Every status is indexed, because few orders have a rare status.
create index pedido_by_cliente on pedido (cliente_id, id);
create index pedido_by_status on pedido (status, id);

-- The sweep of a reservation answers no command, so no unanswered command shows that its snapshot was lost. Orders that
-- should have lapsed are therefore asked about: estoque repeats its current snapshot when the command comes again. New
-- orders stay out of this index: those that are resent are found by their status.
create index pedido_by_follow_up on pedido (perguntar_em) where perguntar_em is not null and versao > 0;

create table comando (
    id            uuid primary key,
    pedido_id     uuid not null,
    tipo          text not null,
    traceparent   text,
    criado_em     timestamptz not null default agora(),
    reenviar_em   timestamptz,
    envios        integer not null default 1,
    respondido_em timestamptz,
    recusa        text,
    se_versao     integer,

    constraint valid_tipo check (tipo in ('PedidoCriado', 'FecharPedido', 'CancelarPedido', 'ReservarPedido')),
    constraint answered_is_not_resent check (respondido_em is null or reenviar_em is null)
);

comment on table comando is
    'commands sent to estoque for existing orders; a creation only while another command has overtaken it';
comment on column comando.id is 'the id of its event';
comment on column comando.reenviar_em is 'the time to publish it again; null once it is answered or given up';
comment on column comando.se_versao is
    'cancels the order only while it has this version: an order that seems abandoned may be renewed at the same instant';

create index comando_unanswered on comando (reenviar_em) where reenviar_em is not null;

-- Tells whether a command for a seemingly abandoned order is in flight.
create index comando_open on comando (pedido_id) where reenviar_em is not null;

-- One row per batch, so it costs little per command. A command that waits to be published is neither sent again nor
-- given up nor purged; statements that check this read the whole table, which holds only rows that are being published.
create table outbox (
    id       bigint generated always as identity primary key,
    quantos  integer not null,
    comandos uuid[] not null,

    constraint valid_quantos check (quantos > 0 and quantos = cardinality(comandos))
);

comment on table outbox is 'commands to publish now, and new orders; an event is built from its command and the order';
comment on column outbox.quantos is 'the number of commands';

create table idempotencia (
    cliente_id text not null,
    caminho    text not null,
    chave      text not null,
    corpo      bytea not null,
    pedido_id  uuid not null,
    comando_id uuid not null,
    criado_em  timestamptz not null default agora(),
    primary key (cliente_id, caminho, chave)
);

comment on table idempotencia is
    'Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the request that each key identifies';
comment on column idempotencia.corpo is 'a hash of the body of that request';

-- Finds keys by age. A B-tree, not BRIN: reuse of freed space widens BRIN ranges until a purge step reads the whole
-- table, while new entries of the B-tree go to its right edge and cost little.
create index idempotencia_by_age on idempotencia (criado_em);

-- One row per statement, so the cost per order falls with the size of the batch. Readers go by `transacao`: a
-- transaction that commits after all older ones have ended has a higher id, so no row appears behind a reader. Rows are
-- purged oldest first and the newest one stays: while the row of a position exists, so do all that follow it.
create table mudanca (
    id        bigint generated always as identity,
    transacao xid8 not null default pg_current_xact_id(),
    criado_em timestamptz not null default agora(),
    pedidos   uuid[] not null default '{}',
    clientes  text[] not null default '{}',
    status    text[] not null default '{}',
    versoes   integer[] not null default '{}',
    atualizado_em timestamptz[] not null default '{}',
    expira_em timestamptz[] not null default '{}',
    primary key (transacao, id)
);

-- No query compares these columns, and reading their values takes `analyze` CPU time that orders need.
alter table mudanca
    alter pedidos set statistics 0,
    alter clientes set statistics 0,
    alter status set statistics 0,
    alter versoes set statistics 0,
    alter atualizado_em set statistics 0,
    alter expira_em set statistics 0;

comment on table mudanca is 'change log for the event streams: the orders that each statement created or gave a new version';

insert into mudanca default values;

create table bilhete (
    resumo     bytea primary key,
    cliente_id text,
    escopos    text[] not null,
    expira_em  timestamptz not null
);

comment on table bilhete is 'tickets for event streams that have been issued and not used';
comment on column bilhete.resumo is 'SHA-256 of the ticket, which itself is stored nowhere';
comment on column bilhete.cliente_id is 'the customer that it was issued to; null if identities are not required';

create index bilhete_by_expiry on bilhete (expira_em);

-- begin functions/reject_invalid_cliente.sql
-- A trigger on insert and on changes of `cliente_id`, not a check constraint: a check is evaluated at every update of the
-- row, and the customer of an order never changes.
create or replace function reject_invalid_cliente() returns trigger
language plpgsql as $$
begin
    raise exception 'customer %: not 1 to 128 printable ASCII characters', new.cliente_id
        using errcode = 'check_violation';
end $$;

comment on function reject_invalid_cliente is 'trigger: rejects a malformed customer id';
-- end functions/reject_invalid_cliente.sql

-- Without a counted repetition: `{1,128}` costs 5 µs per row instead of 0.3, because its automaton is built for each row.
create trigger valid_cliente
before insert or update of cliente_id on pedido
for each row when (length(new.cliente_id) not between 1 and 128 or new.cliente_id ~ '[^\x20-\x7e]')
execute function reject_invalid_cliente();

-- begin functions/log_created_pedidos.sql
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
-- end functions/log_created_pedidos.sql

-- begin functions/log_changed_pedidos.sql
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
-- end functions/log_changed_pedidos.sql

create trigger pedidos_inserted
after insert on pedido referencing new table as new_rows
for each statement execute function log_created_pedidos();

create trigger pedidos_updated
after update on pedido referencing old table as old_rows new table as new_rows
for each statement execute function log_changed_pedidos();

-- conferir may read only the columns that it needs to prove that no order was lost. They do not name the customer.
grant select (id, status, versao, itens, itens_em_falta, expira_em, criado_em, atualizado_em, perguntar_em) on pedido
    to conferente;
grant select (id, pedido_id, tipo, criado_em, reenviar_em, respondido_em, recusa) on comando to conferente;
grant select (quantos) on outbox to conferente;

-- pedidos connects as a role that cannot change the schema; the owner of the database runs only migrations. A migration
-- that adds a table grants the privileges that the program needs; a test fails for tables without grants.

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

drop table bilhete, mudanca, idempotencia, outbox, comando, pedido;
drop function log_changed_pedidos, log_created_pedidos, reject_invalid_cliente, uuidv7_floor, agora;

revoke all on schema_migrations from pedidos_runtime;
do $$
begin
    execute format('revoke connect on database %I from pedidos_runtime', current_database());
end $$;
