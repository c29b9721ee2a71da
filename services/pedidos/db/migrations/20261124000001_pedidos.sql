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

-- What estoque is to hear of, written with the order. The event's data are read from the order when it is
-- published: a row says only which event, of which order.
create table outbox (
    id          bigint generated always as identity primary key,
    evento_id   uuid not null,
    tipo        text not null,
    pedido_id   uuid not null,
    traceparent text,
    criado_em   timestamptz not null default agora(),

    constraint tipo_valido check (tipo in ('PedidoCriado', 'FecharPedido', 'CancelarPedido', 'ReservarPedido'))
);

-- migrate:down

drop table outbox, pedido;
drop function agora();
