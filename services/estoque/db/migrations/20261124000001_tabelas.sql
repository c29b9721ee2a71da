-- migrate:up

-- The only clock of reservations. Simulations replace this function; nothing else reads the time.
create function agora() returns timestamptz
language sql volatile as 'select clock_timestamp()';

-- One row a SKU: what was ever supplied and what became of it. `quantidade` is the supply in force. It equals
-- `alvo` (what the StockItem asks for) unless more units than that are already committed; then it is those,
-- and falls with each release until it meets `alvo`. No index but the key: counters change with every order,
-- and only then can PostgreSQL update them in place (HOT).
create table estoque (
    sku          text collate "C" primary key,
    nome         text not null,
    alvo         bigint not null,
    quantidade   bigint not null,
    reservado    bigint not null default 0,
    vendido      bigint not null default 0,
    arquivado    bigint not null default 0,
    situacao     text not null default 'Ativo',
    limite_baixo bigint,
    dono         text,
    alterado_em  timestamptz not null default agora(),

    constraint sku_valido check (sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    constraint alvo_valido check (alvo >= 0),
    constraint reservado_valido check (reservado >= 0),
    constraint vendido_valido check (vendido >= 0),
    constraint arquivado_valido check (arquivado between 0 and vendido),
    constraint nunca_vender_demais check (reservado + vendido <= quantidade),
    constraint quantidade_em_vigor check (quantidade = greatest(alvo, reservado + vendido)),
    constraint situacao_valida check (situacao in ('Ativo', 'Pausado', 'Encerrando', 'Encerrado')),
    constraint dono_de_item_vivo check (dono is null or situacao <> 'Encerrado')
) with (fillfactor = 50);

comment on column estoque.alvo is 'spec.quantity of the StockItem: all units ever supplied';
comment on column estoque.quantidade is 'supply in force: greatest(alvo, reservado + vendido)';
comment on column estoque.arquivado is 'sold units whose orders have been purged; the lines tell of the others';
comment on column estoque.situacao is
    'Ativo | Pausado (no new reservations) | Encerrando (being deleted, reservations remain) | Encerrado (deleted)';
comment on column estoque.dono is 'namespace/name of the StockItem that declares this SKU; null when none does';

-- With the two checks above, committing more than the supply would need a supply that grows by itself. It may
-- not: supply comes from a StockItem only.
create function recusar_suprimento_inventado() returns trigger
language plpgsql as $$
begin
    raise exception 'SKU %: supply may not grow from % to % when % units are declared',
        new.sku, old.quantidade, new.quantidade, new.alvo using errcode = 'check_violation';
end $$;

create trigger suprimento_nunca_inventado
before update on estoque
for each row when (new.quantidade > greatest(old.quantidade, new.alvo))
execute function recusar_suprimento_inventado();

-- One row for each order that estoque has heard of.
create table pedido (
    id             uuid primary key,
    status         text not null,
    versao         integer not null,
    itens          jsonb not null,
    itens_em_falta jsonb not null default '[]',
    expira_em      timestamptz,
    criado_em      timestamptz not null default agora(),
    atualizado_em  timestamptz not null default agora(),

    constraint status_valido check (status in
        ('EstoqueReservado', 'EstoqueNaoDisponivel', 'ReservaExpirada', 'Fechado', 'Cancelado')),
    constraint versao_valida check (versao > 0),
    constraint so_reserva_expira check ((status = 'EstoqueReservado') = (expira_em is not null))
);
create index pedido_a_vencer on pedido (expira_em) where status = 'EstoqueReservado';

-- Units held (`vendida` false) or sold by an order, a row a SKU. Released lines are deleted.
create table reserva (
    pedido_id  uuid not null,
    sku        text collate "C" not null,
    quantidade integer not null check (quantidade > 0),
    expira_em  timestamptz not null,
    vendida    boolean not null default false,
    primary key (pedido_id, sku)
);
-- Finds the lapsed lines of a SKU, oldest first.
create index reserva_a_vencer on reserva (sku, expira_em) include (quantidade) where not vendida;

-- Ids of events whose effect is already in the tables above, and why they had none: the answer when they come again.
create table inbox (
    evento_id   uuid primary key,
    recusa      text,
    recebido_em timestamptz not null default agora()
);

create index inbox_por_idade on inbox using brin (recebido_em);

-- Facts to tell pedidos, written in the transaction that made them true; the relay deletes what was confirmed.
create table outbox (
    id             bigint generated always as identity primary key,
    pedido_id      uuid not null,
    versao         integer not null,
    status         text not null,
    causa          uuid,
    recusa         text,
    expira_em      timestamptz,
    itens_em_falta jsonb not null,
    traceparent    text,
    criado_em      timestamptz not null default agora()
);

-- What customers and the operator see: lapsed reservations do not count, swept or not.
create view saldo as
select e.sku,
       e.nome,
       e.alvo,
       greatest(e.alvo, e.reservado - l.vencido + e.vendido) as quantidade,
       e.reservado - l.vencido as reservado,
       e.vendido,
       greatest(e.alvo - (e.reservado - l.vencido) - e.vendido, 0) as disponivel,
       e.situacao,
       e.limite_baixo,
       e.dono,
       e.alterado_em
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as vencido
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= agora()
) l;

-- migrate:down

drop view saldo;
drop table outbox, inbox, reserva, pedido, estoque;
drop function recusar_suprimento_inventado();
drop function agora();
