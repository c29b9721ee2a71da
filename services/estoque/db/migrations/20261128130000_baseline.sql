-- migrate:up

-- The schema of the first release. Functions and the view are copied from db/functions (make migration).

-- The provider of the server creates the roles. Migrations only grant them their privileges.
do $$
declare
    v_role text;
begin
    foreach v_role in array array['operador', 'conferente', 'estoque_runtime'] loop
        if not exists (select from pg_roles where rolname = v_role) then
            raise exception 'role "%" is missing: create it (create role % login password ...) before migrating; '
                'the provider of the server creates the roles, see docs/operations.md, Database roles', v_role, v_role;
        end if;
    end loop;
    execute format('grant connect on database %I to estoque_runtime', current_database());
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
-- end functions/uuidv7_floor.sql

-- begin functions/clock_tolerance.sql
-- A separate constant, because two rules need it: `decision_time`, and the view `saldo`, which repeats that rule. The
-- planner replaces the call with the value.
create or replace function clock_tolerance() returns interval
language sql immutable as $$ select interval '10 minutes' $$;

comment on function clock_tolerance is 'the largest step back of the clock that is ignored; after a larger one the clock counts at once';
-- end functions/clock_tolerance.sql

-- begin functions/decision_time.sql
-- Keeps the clock of a SKU monotonic. A stock row stores the instant of its last change (`alterado_em`), and so does
-- an order (`atualizado_em`). No decision under their locks is made at an earlier instant. Otherwise a clock that
-- steps back after lapsed units went to another order would revive the reservation of their first order.
--
-- A mark further ahead than `clock_tolerance` was set by a clock that was wrong and has been corrected since. Waiting
-- for it could hold units for years, so the clock wins; the missing lines then show that a reservation has lapsed.
create or replace function decision_time(p_mark timestamptz, p_now timestamptz) returns timestamptz
language sql immutable as $$
    select case when p_mark > p_now and p_mark < p_now + clock_tolerance() then p_mark else p_now end;
$$;

comment on function decision_time is
    'the instant of a decision: p_now, the clock, or p_mark, the latest change of the locked rows, if that is later';
-- end functions/decision_time.sql

-- No index but the primary key: counters change with every order, and an update is cheap (HOT) only where it changes no
-- indexed column.
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

    constraint valid_alvo check (alvo >= 0),
    constraint valid_reservado check (reservado >= 0),
    constraint valid_vendido check (vendido >= 0),
    constraint valid_arquivado check (arquivado between 0 and vendido),
    constraint never_oversell check (reservado + vendido <= quantidade),
    constraint quantidade_in_force check (quantidade = greatest(alvo, reservado + vendido)),
    constraint valid_situacao check (situacao in ('Ativo', 'Pausado', 'Encerrando', 'Encerrado')),
    constraint dono_of_live_item check (dono is null or situacao <> 'Encerrado')
) with (fillfactor = 50);

comment on table estoque is 'one row per SKU: the units ever supplied, and those reserved, sold and archived';
comment on column estoque.alvo is 'spec.quantity of the StockItem: all units ever supplied';
comment on column estoque.quantidade is 'supply in force: greatest(alvo, reservado + vendido)';
comment on column estoque.arquivado is 'sold units of purged orders; units of other orders are in `reserva`';
comment on column estoque.situacao is
    'Ativo | Pausado (no new reservations) | Encerrando (being deleted, reservations remain) | Encerrado (deleted)';
comment on column estoque.dono is 'namespace/name of the StockItem that declares this SKU; null when none does';

create table pedido (
    id             uuid primary key,
    status         text not null,
    versao         integer not null,
    itens          jsonb not null,
    itens_em_falta jsonb not null default '[]',
    expira_em      timestamptz,
    criado_em      timestamptz not null default agora(),
    atualizado_em  timestamptz not null default agora(),
    criacao        uuid,

    constraint valid_status check (status in
        ('EstoqueReservado', 'EstoqueNaoDisponivel', 'ReservaExpirada', 'Fechado', 'Cancelado')),
    constraint valid_versao check (versao > 0),
    constraint only_reserva_expires check ((status = 'EstoqueReservado') = (expira_em is not null))
);

-- No query compares these columns, and reading their values takes `analyze` CPU time that orders need.
alter table pedido
    alter itens set statistics 0,
    alter itens_em_falta set statistics 0;

comment on table pedido is 'one row per order that estoque knows';
comment on column pedido.criacao is
    'the event that created it, if it was reserved without a decision; the ids of all other events are in the inbox';

-- Finds the reservations that are due for the sweep.
create index pedido_by_expiry on pedido (expira_em) where status = 'EstoqueReservado';

create table reserva (
    pedido_id  uuid not null,
    sku        text collate "C" not null,
    quantidade integer not null check (quantidade > 0),
    expira_em  timestamptz not null,
    vendida    boolean not null default false,
    primary key (pedido_id, sku)
);

comment on table reserva is 'units that an order holds (vendida false) or has bought, one row per SKU; released lines are deleted';

-- Finds the lapsed lines of a SKU, oldest first.
create index reserva_by_expiry on reserva (sku, expira_em) include (quantidade) where not vendida;

-- Lets conferir add up the sold units of a SKU in small steps, as `reserva_by_expiry` does for held ones.
create index reserva_sold on reserva (sku) include (quantidade) where vendida;

-- No index by age: event ids are UUIDv7, so the primary key finds the old ones.
create table inbox (
    evento_id   uuid primary key,
    recusa      text,
    recebido_em timestamptz not null default agora()
);

comment on table inbox is
    'ids of processed events, with the reason if an event had no effect: the answer when it is redelivered';

-- One row per statement, because one row per fact would cost more WAL than the fact itself. Each column is an array
-- with the values of the facts, in their order; a column that is null is null for every fact.
create table outbox (
    id             bigint generated always as identity primary key,
    quantos        integer not null,
    pedidos        uuid[] not null,
    versoes        integer[] not null,
    status         text[] not null,
    causas         uuid[],
    recusas        text[],
    expira_em      timestamptz[],
    itens_em_falta jsonb[] not null,
    traceparents   text[],
    criado_em      timestamptz not null default agora(),

    constraint valid_quantos check (quantos > 0 and quantos = cardinality(pedidos))
);

comment on table outbox is
    'facts for pedidos, written in the transaction that made them true; the relay deletes those that the broker confirmed';
comment on column outbox.quantos is 'the number of facts';

-- One row per statement, so the cost per order falls with the size of the batch. Readers go by `transacao`: a
-- transaction that commits after all older ones have ended has a higher id, so no row appears behind a reader. Rows are
-- purged oldest first and the newest one stays: while the row of a position exists, so do all that follow it.
create table mudanca (
    id        bigint generated always as identity,
    transacao xid8 not null default pg_current_xact_id(),
    skus      text[] not null default '{}',
    criado_em timestamptz not null default agora(),
    primary key (transacao, id)
);

-- No query compares these columns, and reading their values takes `analyze` CPU time that orders need.
alter table mudanca alter skus set statistics 0;

comment on table mudanca is 'change log for the event streams: the SKUs whose balance each statement changed';

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

-- begin functions/saldo.sql
-- Balances for customers and the operator: lapsed reservations do not count, whether or not they have been swept. The
-- view takes no locks: a balance is information, and orders are decided on locked rows.
--
-- `agora()` is volatile, so the planner cannot use a call of it as an index condition and would read all held lines
-- of a SKU. A scalar subquery is evaluated once and gives the index a constant. The rule of `decision_time` is spelled out
-- because the planner does not inline a function whose arguments are subqueries: with calls, reading all balances
-- took 2.3 times as long.
create or replace view saldo as
select e.sku,
       e.nome,
       e.alvo,
       greatest(e.alvo, e.reservado - l.lapsed + e.vendido) as quantidade,
       e.reservado - l.lapsed as reservado,
       e.vendido,
       greatest(e.alvo - (e.reservado - l.lapsed) - e.vendido, 0) as disponivel,
       e.situacao,
       e.limite_baixo,
       e.dono,
       e.alterado_em
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as lapsed
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= case
        when e.alterado_em > (select agora()) and e.alterado_em < (select agora()) + clock_tolerance()
        then e.alterado_em else (select agora())
    end
) l;

comment on view saldo is 'balances by SKU, without reservations that have lapsed';

grant select on saldo to estoque_runtime;
-- end functions/saldo.sql

-- begin functions/release_lapsed.sql
-- Returns units of lapsed reservations to their SKUs, oldest first and in whole lines, so possibly a few units more
-- than requested. Every line has at least one unit, so the oldest `shortage` lines always suffice, however many have
-- lapsed.
--
-- It takes no locks beyond those of the caller, who holds the stock rows of these SKUs: lines of a SKU change only
-- under the lock of its stock row. Orders are not locked, because locks are taken orders first, then stock; an order
-- that loses its lines here keeps its status until the sweep, and cannot be closed without its lines.
--
-- The stock lock also keeps the physical position of a line stable between the two steps, so the delete goes by ctid.
-- A delete by key would read the lines of all orders, because the planner does not know how few keys it gets.
create or replace function release_lapsed(p_skus text[], p_shortages bigint[], p_now timestamptz)
returns table (sku text, released bigint)
language sql as $$
    with lapsed as (
        select c.tid
        from unnest(p_skus, p_shortages) as s (sku, shortage)
        cross join lateral (
            select l.tid, sum(l.quantidade) over (order by l.expira_em, l.pedido_id) - l.quantidade as before
            from (
                select r.ctid as tid, r.pedido_id, r.quantidade, r.expira_em
                from reserva r
                where r.sku = s.sku and not r.vendida and r.expira_em <= p_now
                order by r.expira_em
                limit s.shortage
            ) l
        ) c
        where c.before < s.shortage
    ),
    deleted as (
        delete from reserva r
        where r.ctid = any (array(select l.tid from lapsed l))
        returning r.sku, r.quantidade
    ),
    released as (
        select d.sku, sum(d.quantidade)::bigint as released from deleted d group by d.sku
    )
    update estoque e
    set reservado = e.reservado - r.released,
        quantidade = greatest(e.alvo, e.reservado - r.released + e.vendido),
        alterado_em = p_now
    from released r
    where e.sku = r.sku
    returning e.sku, r.released;
$$;

comment on function release_lapsed is
    'releases at least p_shortages[i] lapsed units of p_skus[i], or all if there are fewer; returns the released units';

revoke execute on function release_lapsed from public;
grant execute on function release_lapsed to estoque_runtime;
-- end functions/release_lapsed.sql

-- begin functions/sweep_reservas.sql
-- The sweep: ends lapsed reservations, returns their units and records a fact for each order, in one row of the outbox.
--
-- It follows the one lock order, orders by id and then stock rows by SKU, so it cannot deadlock with a batch. Orders
-- are locked with `skip locked`: a locked order is being changed and is left for the next call. The conditions are
-- checked again on the locked row, because an order found to have lapsed may have been renewed before it was locked.
create or replace function sweep_reservas(p_limit integer)
returns integer
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    v_pedidos uuid[];
    v_skus text[];
    v_mark timestamptz;
    v_now timestamptz;
begin
    -- In two steps, because in one the planner may read all reserved orders to find that none has lapsed.
    select array_agg(c.id) into v_pedidos from (
        select p.id from pedido p
        where p.status = 'EstoqueReservado' and p.expira_em <= (select agora())
        order by p.expira_em
        limit p_limit
    ) c;
    if v_pedidos is null then
        return 0;
    end if;
    select array_agg(t.id) into v_pedidos from (
        select p.id from pedido p
        where p.id = any (v_pedidos) and p.status = 'EstoqueReservado' and p.expira_em <= agora()
        order by p.id
        for update skip locked
    ) t;
    if v_pedidos is null then
        return 0;
    end if;

    -- Counters change, so their rows are locked, and waited for up to `lock_timeout`: skipping one would leave units
    -- counted as reserved without a line that holds them.
    begin
        select max(t.alterado_em) into v_mark from (
            select e.alterado_em from estoque e
            where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida)
            order by e.sku
            for no key update
        ) t;
    exception when lock_not_available then
        -- Another session holds one of these rows for longer. Lock what can be locked at once and sweep the orders that
        -- need nothing else: units are only ever decided on under the lock of their stock row.
        select max(t.alterado_em), array_agg(t.sku) into v_mark, v_skus from (
            select e.alterado_em, e.sku from estoque e
            where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida)
            order by e.sku
            for no key update skip locked
        ) t;
        select array_agg(o.id) into v_pedidos from unnest(v_pedidos) as o (id)
        where not exists (
            select from reserva r
            where r.pedido_id = o.id and not r.vendida and r.sku <> all (coalesce(v_skus, '{}'))
        );
        if v_pedidos is null then
            return 0;
        end if;
    end;
    -- These orders had lapsed when they were locked. Should the clock step back after that, they still have: the
    -- decision is made no earlier than their expiry.
    v_now := decision_time(
        greatest(v_mark, (select max(greatest(p.atualizado_em, p.expira_em)) from pedido p where p.id = any (v_pedidos))),
        agora());

    with deleted as (
        delete from reserva r where r.pedido_id = any (v_pedidos) and not r.vendida
        returning r.sku, r.quantidade
    ),
    released as (
        select d.sku, sum(d.quantidade) as released from deleted d group by d.sku
    )
    update estoque e
    set reservado = e.reservado - r.released,
        quantidade = greatest(e.alvo, e.reservado - r.released + e.vendido),
        alterado_em = v_now
    from released r
    where e.sku = r.sku;

    with swept as (
        update pedido p
        set status = 'ReservaExpirada', versao = p.versao + 1, expira_em = null, atualizado_em = v_now
        where p.id = any (v_pedidos)
        returning p.id, p.versao, p.status, p.itens_em_falta
    )
    insert into outbox (quantos, pedidos, versoes, status, itens_em_falta, criado_em)
    select count(*), array_agg(s.id), array_agg(s.versao), array_agg(s.status), array_agg(s.itens_em_falta), v_now
    from (select * from swept order by id) s;

    return cardinality(v_pedidos);
end $$;

comment on function sweep_reservas is
    'sweeps up to p_limit lapsed reservations and returns their number; fewer than the limit when no more are due, or '
    'the others are locked';

revoke execute on function sweep_reservas from public;
grant execute on function sweep_reservas to operador;
-- end functions/sweep_reservas.sql

-- begin functions/sweep_lag.sql
-- The lag of the sweep, as a metric. It takes no locks: an order that is being swept still counts.
create or replace function sweep_lag()
returns interval
language sql volatile security definer set search_path = public, pg_temp as $$
    select greatest(agora() - min(p.expira_em), interval '0') from pedido p where p.status = 'EstoqueReservado';
$$;

comment on function sweep_lag is
    'the time for which the oldest lapsed reservation has been waiting for the sweep; zero if there is none';

revoke execute on function sweep_lag from public;
grant execute on function sweep_lag to operador;
-- end functions/sweep_lag.sql

-- begin functions/sync_items.sql
-- Makes stock rows match the StockItems that declare them, one batch per call. The arrays are parallel, with one
-- element per item. An item owns its SKU from the moment it claims a row without an owner until it is deleted
-- (`p_ending`). The row then takes no new reservations, and is given up when the last one has ended.
--
-- It locks the stock rows of the batch by SKU, like every session that locks several, and decides on the locked rows.
-- It changes no order, so it locks none. Inserts wait for concurrent inserts of the same key and therefore go by SKU
-- too. It waits for a row and never skips it: the operator must learn the row's state after this item is applied.
create or replace function sync_items(
    p_owners text[], p_skus text[], p_names text[], p_quantities bigint[],
    p_paused boolean[], p_low_stock bigint[], p_ending boolean[]
) returns table (
    dono text, sku text, dono_atual text, situacao text, alvo bigint, quantidade bigint,
    reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint
)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    v_mark timestamptz;
    v_now timestamptz;
begin
    insert into estoque (sku, nome, alvo, quantidade, dono)
    select i.sku, i.nome, i.quantidade, i.quantidade, i.dono
    from unnest(p_owners, p_skus, p_names, p_quantities, p_ending) with ordinality
        as i (dono, sku, nome, quantidade, ending, ordinal)
    where not i.ending
    order by i.sku, i.ordinal
    on conflict do nothing;

    select max(t.alterado_em) into v_mark from (
        select e.alterado_em from estoque e where e.sku = any (p_skus) order by e.sku for no key update
    ) t;
    v_now := decision_time(v_mark, agora());

    -- Lapsed units are not committed, so they prevent neither a lower supply nor a deletion.
    perform from (
        select array_agg(e.sku) as skus,
               array_agg(case when i.ending then e.reservado
                              else e.reservado + e.vendido - i.quantidade end) as shortages
        from unnest(p_owners, p_skus, p_quantities, p_ending) as i (dono, sku, quantidade, ending)
        join estoque e on e.sku = i.sku and e.dono = i.dono
        where e.reservado > 0 and (i.ending or e.reservado + e.vendido > i.quantidade)
    ) s
    cross join lateral release_lapsed(s.skus, s.shortages, v_now)
    where s.skus is not null;

    update estoque e
    set nome = n.nome, alvo = n.alvo, quantidade = greatest(n.alvo, e.reservado + e.vendido),
        situacao = n.situacao, limite_baixo = n.limite_baixo, dono = n.dono, alterado_em = v_now
    from (
        -- A row without an owner goes to the first item of the batch that asks for it.
        select distinct on (i.sku) i.sku,
               case when i.ending then e.nome else i.nome end as nome,
               case when i.ending then e.alvo else i.quantidade end as alvo,
               case when i.ending then e.limite_baixo else i.limite_baixo end as limite_baixo,
               case when i.ending and e.reservado = 0 then null else i.dono end as dono,
               case when i.ending and e.reservado = 0 then 'Encerrado'
                    when i.ending then 'Encerrando'
                    when i.paused then 'Pausado'
                    else 'Ativo' end as situacao
        from unnest(p_owners, p_skus, p_names, p_quantities, p_paused, p_low_stock, p_ending) with ordinality
            as i (dono, sku, nome, quantidade, paused, limite_baixo, ending, ordinal)
        join estoque e on e.sku = i.sku
        where e.dono = i.dono or (e.dono is null and not i.ending)
        order by i.sku, i.ordinal
    ) n
    where e.sku = n.sku
        and (e.nome, e.alvo, e.situacao, e.limite_baixo, e.dono)
            is distinct from (n.nome, n.alvo, n.situacao, n.limite_baixo, n.dono);

    return query
    select i.dono, i.sku, s.dono, s.situacao, s.alvo, s.quantidade,
           s.reservado, s.vendido, s.disponivel, s.limite_baixo
    from unnest(p_owners, p_skus) as i (dono, sku)
    left join saldo s on s.sku = i.sku;
end $$;

comment on function sync_items is
    'makes stock rows match StockItems; returns the current row of each item: if dono_atual differs from dono, another '
    'item owns the row, or none does';

revoke execute on function sync_items from public;
grant execute on function sync_items to operador;
-- end functions/sync_items.sql

-- begin functions/read_saldos.sql
-- Takes no locks.
create or replace function read_saldos()
returns table (
    sku text, dono text, situacao text, nome text, alvo bigint, quantidade bigint, reservado bigint,
    vendido bigint, disponivel bigint, limite_baixo bigint, alterado_em timestamptz
)
language sql volatile security definer set search_path = public, pg_temp as $$
    select s.sku, s.dono, s.situacao, s.nome, s.alvo, s.quantidade, s.reservado,
           s.vendido, s.disponivel, s.limite_baixo, s.alterado_em
    from saldo s;
$$;

comment on function read_saldos is 'all balances';

revoke execute on function read_saldos from public;
grant execute on function read_saldos to operador;
-- end functions/read_saldos.sql

-- begin functions/newest_change.sql
-- A transaction that is still running may commit a change older than those that are visible already. So the position is
-- taken below the oldest running transaction: whatever commits later has a higher transaction id. It takes no locks.
create or replace function newest_change()
returns table (transacao bigint, mudanca bigint, parte bigint)
language sql security definer set search_path = public, pg_temp as $$
    select m.transacao::text::bigint, m.id, cardinality(m.skus)::bigint
    from mudanca m
    where m.transacao < pg_snapshot_xmin(pg_current_snapshot())
    order by m.transacao desc, m.id desc
    limit 1;
$$;

comment on function newest_change is
    'the newest position in the change log of SKUs before which nothing can be committed any more';

revoke execute on function newest_change from public;
grant execute on function newest_change to operador, estoque_runtime;
-- end functions/newest_change.sql

-- begin functions/saldos_since.sql
-- The operator follows the change log from the position of its last read. Changes at or above the oldest running
-- transaction wait for the next read: an older one may still be committed before them. A SKU that changed several
-- times is returned once, with its current balance. It takes no locks.
--
-- Every row carries the position that the read has reached, and how many changes (`changes_read`) it took. If nothing has
-- changed, it returns one row without a SKU. If the log no longer contains `p_transacao, p_mudanca`, it returns no
-- row: changes may have been lost, and the operator compares everything.
create or replace function saldos_since(p_transacao bigint, p_mudanca bigint, p_parte bigint, p_limit integer)
returns table (
    transacao bigint, mudanca bigint, parte bigint, changes_read bigint, sku text, dono text, situacao text, nome text,
    alvo bigint, quantidade bigint, reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint
)
language sql security definer set search_path = public, pg_temp as $$
    with entry as materialized (
        -- Keeps a row for the position itself when none of its changes is left.
        select m.transacao, m.id, s.sku,
               coalesce(s.parte, case when m.id = p_mudanca then p_parte else 0 end) as parte
        from (
            -- Sorted before they are unnested, so that no more rows are unnested than the limit needs.
            select m.transacao, m.id, m.skus
            from mudanca m
            where (m.transacao, m.id) >= (p_transacao::text::xid8, p_mudanca)
                and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
            order by m.transacao, m.id
            limit p_limit
        ) m
        left join lateral unnest(m.skus) with ordinality as s (sku, parte)
            on (m.transacao, m.id, s.parte) > (p_transacao::text::xid8, p_mudanca, p_parte)
        order by m.transacao, m.id, s.parte
        limit p_limit
    ),
    reached as (
        select e.transacao, e.id, e.parte, (select count(*) from entry) as changes_read
        from entry e
        order by e.transacao desc, e.id desc, e.parte desc
        limit 1
    )
    select r.transacao::text::bigint, r.id, r.parte, r.changes_read, s.sku, s.dono, s.situacao, s.nome, s.alvo,
           s.quantidade, s.reservado, s.vendido, s.disponivel, s.limite_baixo
    from reached r
    left join saldo s on s.sku = any (array(select e.sku from entry e where e.sku is not null))
    where exists (select from entry e where (e.transacao, e.id) = (p_transacao::text::xid8, p_mudanca));
$$;

comment on function saldos_since is
    'current balances of the SKUs changed after a position of the change log, of up to p_limit changes';

revoke execute on function saldos_since from public;
grant execute on function saldos_since to operador;
-- end functions/saldos_since.sql

-- begin functions/purge_pedidos.sql
-- Purges ended orders. Their sold units stay sold: the sum of their lines moves into `estoque.arquivado`.
--
-- It follows the one lock order, orders by id and then stock rows by SKU. It skips a locked order, which a later
-- round finds. It waits for stock rows: `arquivado` must change together with the lines that it replaces.
create or replace function purge_pedidos(p_before timestamptz, p_limit integer, p_after uuid)
returns table (seen integer, purged integer, last uuid)
language plpgsql set search_path = public, pg_temp as $$
declare
    v_seen uuid[];
    v_pedidos uuid[];
begin
    select array_agg(t.id order by t.id) into v_seen from (
        select p.id from pedido p
        where p.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000') and p.id < uuidv7_floor(p_before)
        order by p.id
        limit p_limit
    ) t;

    select array_agg(t.id) into v_pedidos from (
        select p.id from pedido p
        where p.id = any (v_seen) and p.atualizado_em < p_before
            and p.status in ('Fechado', 'Cancelado', 'EstoqueNaoDisponivel')
        order by p.id
        for update skip locked
    ) t;

    if v_pedidos is not null then
        perform 1 from estoque e
        where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos))
        order by e.sku
        for no key update;

        with deleted as (
            delete from reserva r where r.pedido_id = any (v_pedidos) returning r.sku, r.quantidade
        ),
        archived as (
            select d.sku, sum(d.quantidade) as vendido from deleted d group by d.sku
        )
        update estoque e set arquivado = e.arquivado + a.vendido from archived a where e.sku = a.sku;

        delete from pedido p where p.id = any (v_pedidos);
    end if;

    return query
    select coalesce(cardinality(v_seen), 0), coalesce(cardinality(v_pedidos), 0), v_seen[cardinality(v_seen)];
end $$;

comment on function purge_pedidos is
    'examines the next p_limit orders after p_after (null: from the first) that are older than p_before, and purges '
    'those that also ended before it; returns the numbers of orders seen and purged, and the id of the last one seen';

revoke execute on function purge_pedidos from public;
grant execute on function purge_pedidos to estoque_runtime;
-- end functions/purge_pedidos.sql

-- begin functions/reject_undeclared_supply.sql
-- The last line of defence against overselling. The checks of `estoque` bound what is committed by the supply; this
-- trigger keeps the supply itself from growing beyond what a StockItem declares.
create or replace function reject_undeclared_supply() returns trigger
language plpgsql as $$
begin
    raise exception 'SKU %: supply may not grow from % to % when % units are declared',
        new.sku, old.quantidade, new.quantidade, new.alvo using errcode = 'check_violation';
end $$;

comment on function reject_undeclared_supply is
    'trigger: rejects an update that increases the supply of a SKU beyond the declared supply';
-- end functions/reject_undeclared_supply.sql

-- Deliberately BEFORE UPDATE: with such a trigger PostgreSQL fetches the newest version of each row before it checks
-- the constraints. Without one, it first checks them on the version in the statement's snapshot, which may be older
-- than the row that the statement has locked, and fails although units are free.
create trigger only_declared_supply
before update on estoque
for each row when (new.quantidade > greatest(old.quantidade, new.alvo))
execute function reject_undeclared_supply();

-- begin functions/reject_invalid_sku.sql
-- A trigger on insert and on changes of `sku`, not a check constraint: a check is evaluated at every update of the row,
-- and counters change with every order while a SKU never does.
create or replace function reject_invalid_sku() returns trigger
language plpgsql as $$
begin
    raise exception 'SKU %: not 1 to 64 letters, digits, ".", "_" and "-" that begin with a letter or a digit', new.sku
        using errcode = 'check_violation';
end $$;

comment on function reject_invalid_sku is 'trigger: rejects a malformed SKU';
-- end functions/reject_invalid_sku.sql

create trigger valid_sku
before insert or update of sku on estoque
for each row when (new.sku !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$')
execute function reject_invalid_sku();

-- begin functions/log_changed_skus.sql
-- Triggers on the table log every change of a balance, regardless of its source: batches, the sweep, the operator, manual
-- SQL. It locks nothing: a log entry is an insert, ordered by its transaction.
--
-- A session plans these queries once, for the number of rows of its first statement. If that changed one row, a nested
-- loop would join the thousands of rows of later statements in quadratic time.
create or replace function log_changed_skus() returns trigger
language plpgsql set search_path = public, pg_temp set enable_nestloop = off as $$
declare
    v_skus text[];
begin
    case tg_op
        when 'INSERT' then
            select array_agg(n.sku order by n.sku) into v_skus from new_rows n;
        when 'DELETE' then
            select array_agg(o.sku order by o.sku) into v_skus from old_rows o;
        else
            -- Only the columns that customers see; `quantidade` and `disponivel` follow from these.
            select array_agg(n.sku order by n.sku) into v_skus
            from new_rows n
            join old_rows o on o.sku = n.sku
            where (n.nome, n.alvo, n.reservado, n.vendido, n.situacao = 'Encerrado')
                is distinct from (o.nome, o.alvo, o.reservado, o.vendido, o.situacao = 'Encerrado');
    end case;
    if v_skus is not null then
        insert into mudanca (skus) values (v_skus);
    end if;
    return null;
end $$;

comment on function log_changed_skus is 'trigger: logs the SKUs whose visible balance a statement changed, in one row';
-- end functions/log_changed_skus.sql

create trigger estoque_inserted
after insert on estoque referencing new table as new_rows
for each statement execute function log_changed_skus();

create trigger estoque_updated
after update on estoque referencing old table as old_rows new table as new_rows
for each statement execute function log_changed_skus();

create trigger estoque_deleted
after delete on estoque referencing old table as old_rows
for each statement execute function log_changed_skus();

-- conferir may read only the columns that it needs to prove that nothing was oversold or lost.
grant select (sku, alvo, quantidade, reservado, vendido, arquivado, alterado_em) on estoque to conferente;
grant select (id, status, versao, itens, itens_em_falta, expira_em, criado_em, atualizado_em, criacao) on pedido to conferente;
grant select (pedido_id, sku, quantidade, expira_em, vendida) on reserva to conferente;
grant select (evento_id, recusa) on inbox to conferente;
grant select (quantos, pedidos) on outbox to conferente;

-- estoque connects as a role that cannot change the schema; the owner of the database runs only migrations. A migration
-- that adds a table grants the privileges that the program needs; a test fails for tables without grants.

-- Only StockItems determine which SKUs exist and their declared supply (`sync_items`).
grant select on estoque to estoque_runtime;
grant update (quantidade, reservado, vendido, arquivado, alterado_em) on estoque to estoque_runtime;

grant select, insert, delete on pedido to estoque_runtime;
grant update (status, versao, itens_em_falta, expira_em, atualizado_em) on pedido to estoque_runtime;
grant select, insert, delete on reserva to estoque_runtime;
grant select, insert, delete on inbox to estoque_runtime;
grant update (recusa) on inbox to estoque_runtime;

-- Rows that are only inserted and deleted are locked before deletion, which requires the UPDATE privilege.
grant select, insert, update, delete on outbox, mudanca, bilhete to estoque_runtime;

-- Pods wait until every migration of their image has been applied.
grant select on schema_migrations to estoque_runtime;

-- migrate:down

drop function purge_pedidos, saldos_since, newest_change, read_saldos, sync_items, sweep_lag,
    sweep_reservas, release_lapsed;
drop view saldo;
drop table bilhete, mudanca, outbox, inbox, reserva, pedido, estoque;
drop function log_changed_skus, reject_invalid_sku, reject_undeclared_supply, decision_time,
    clock_tolerance, uuidv7_floor, agora;

revoke all on schema_migrations from estoque_runtime;
do $$
begin
    execute format('revoke connect on database %I from estoque_runtime', current_database());
end $$;
