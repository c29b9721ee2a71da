-- migrate:up

-- The only clock of this database. Simulations replace this function; nothing else reads the time.
create function agora() returns timestamptz
language sql volatile as 'select clock_timestamp()';

-- An order as its customer sees it. Everything from `status` on is estoque's word: the snapshot with the highest
-- `versao` heard so far; 0 means that estoque has not spoken yet.
create table pedido (
    id             uuid primary key,
    cliente_id     text not null,
    itens          jsonb not null,
    status         text not null default 'Criado',
    versao         integer not null default 0,
    itens_em_falta jsonb not null default '[]',
    expira_em      timestamptz,
    criado_em      timestamptz not null default agora(),
    atualizado_em  timestamptz not null default agora(),

    constraint cliente_valido check (cliente_id ~ '^[\x20-\x7e]{1,128}$'),
    constraint status_valido check (status in
        ('Criado', 'EstoqueReservado', 'EstoqueNaoDisponivel', 'ReservaExpirada', 'Fechado', 'Cancelado')),
    constraint versao_de_estoque check ((status = 'Criado') = (versao = 0))
) with (fillfactor = 70);

-- Lists are by customer, or by a status that an order does not stay in; the others are found by the key alone.
create index pedido_por_cliente on pedido (cliente_id, id desc);
create index pedido_em_aberto on pedido (status, id) where status in ('Criado', 'EstoqueReservado', 'ReservaExpirada');

-- What was asked of estoque; `id` is the event's. Unanswered commands are sent again at `reenviar_em`, which is
-- null once there is an answer, or no more hope of one.
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

    constraint tipo_valido check (tipo in ('PedidoCriado', 'FecharPedido', 'CancelarPedido', 'ReservarPedido')),
    constraint respondido_nao_se_reenvia check (respondido_em is null or reenviar_em is null)
);
create index comando_sem_resposta on comando (reenviar_em) where reenviar_em is not null;

-- Which commands to publish now; the event's data are read from the command and its order.
create table outbox (
    id         bigint generated always as identity primary key,
    comando_id uuid not null
);

-- Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): what a customer's key on a path stands for, and a
-- hash of the body it came with.
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
create index idempotencia_por_idade on idempotencia using brin (criado_em);

-- The smallest UUIDv7 of an instant (RFC 9562, section 5.7): ids made before it are smaller.
create function uuid_de(p_instante timestamptz)
returns uuid
language sql immutable strict as $$
    select (lpad(to_hex((extract(epoch from p_instante) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
$$;

-- migrate:down

drop function uuid_de;
drop table idempotencia, outbox, comando, pedido;
drop function agora();
