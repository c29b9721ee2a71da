\restrict dbmate

-- Dumped from database version 18.6
-- Dumped by pg_dump version 18.6

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: agora(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.agora() RETURNS timestamp with time zone
    LANGUAGE sql
    AS $$select clock_timestamp()$$;


--
-- Name: FUNCTION agora(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.agora() IS 'the only clock of this database';


--
-- Name: clock_tolerance(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.clock_tolerance() RETURNS interval
    LANGUAGE sql IMMUTABLE
    AS $$ select interval '10 minutes' $$;


--
-- Name: FUNCTION clock_tolerance(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.clock_tolerance() IS 'the largest step back of the clock that is ignored; after a larger one the clock counts at once';


--
-- Name: decision_time(timestamp with time zone, timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.decision_time(p_mark timestamp with time zone, p_now timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS $$
    select case when p_mark > p_now and p_mark < p_now + clock_tolerance() then p_mark else p_now end;
$$;


--
-- Name: FUNCTION decision_time(p_mark timestamp with time zone, p_now timestamp with time zone); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.decision_time(p_mark timestamp with time zone, p_now timestamp with time zone) IS 'the instant of a decision: p_now, the clock, or p_mark, the latest change of the locked rows, if that is later';


--
-- Name: log_changed_skus(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.log_changed_skus() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    SET enable_nestloop TO 'off'
    AS $$
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


--
-- Name: FUNCTION log_changed_skus(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.log_changed_skus() IS 'trigger: logs the SKUs whose visible balance a statement changed, in one row';


--
-- Name: newest_change(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.newest_change() RETURNS TABLE(transacao bigint, mudanca bigint, parte bigint)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select m.transacao::text::bigint, m.id, cardinality(m.skus)::bigint
    from mudanca m
    where m.transacao < pg_snapshot_xmin(pg_current_snapshot())
    order by m.transacao desc, m.id desc
    limit 1;
$$;


--
-- Name: FUNCTION newest_change(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.newest_change() IS 'the newest position in the change log of SKUs before which nothing can be committed any more';


--
-- Name: purge_pedidos(timestamp with time zone, integer, uuid); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.purge_pedidos(p_before timestamp with time zone, p_limit integer, p_after uuid) RETURNS TABLE(seen integer, purged integer, last uuid)
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
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


--
-- Name: FUNCTION purge_pedidos(p_before timestamp with time zone, p_limit integer, p_after uuid); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.purge_pedidos(p_before timestamp with time zone, p_limit integer, p_after uuid) IS 'examines the next p_limit orders after p_after (null: from the first) that are older than p_before, and purges those that also ended before it; returns the numbers of orders seen and purged, and the id of the last one seen';


--
-- Name: read_saldos(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.read_saldos() RETURNS TABLE(sku text, dono text, situacao text, nome text, alvo bigint, quantidade bigint, reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint, alterado_em timestamp with time zone)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select s.sku, s.dono, s.situacao, s.nome, s.alvo, s.quantidade, s.reservado,
           s.vendido, s.disponivel, s.limite_baixo, s.alterado_em
    from saldo s;
$$;


--
-- Name: FUNCTION read_saldos(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.read_saldos() IS 'all balances';


--
-- Name: reject_invalid_sku(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.reject_invalid_sku() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'SKU %: not 1 to 64 letters, digits, ".", "_" and "-" that begin with a letter or a digit', new.sku
        using errcode = 'check_violation';
end $$;


--
-- Name: FUNCTION reject_invalid_sku(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.reject_invalid_sku() IS 'trigger: rejects a malformed SKU';


--
-- Name: reject_undeclared_supply(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.reject_undeclared_supply() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'SKU %: supply may not grow from % to % when % units are declared',
        new.sku, old.quantidade, new.quantidade, new.alvo using errcode = 'check_violation';
end $$;


--
-- Name: FUNCTION reject_undeclared_supply(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.reject_undeclared_supply() IS 'trigger: rejects an update that increases the supply of a SKU beyond the declared supply';


--
-- Name: release_lapsed(text[], bigint[], timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.release_lapsed(p_skus text[], p_shortages bigint[], p_now timestamp with time zone) RETURNS TABLE(sku text, released bigint)
    LANGUAGE sql
    AS $$
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


--
-- Name: FUNCTION release_lapsed(p_skus text[], p_shortages bigint[], p_now timestamp with time zone); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.release_lapsed(p_skus text[], p_shortages bigint[], p_now timestamp with time zone) IS 'releases at least p_shortages[i] lapsed units of p_skus[i], or all if there are fewer; returns the released units';


--
-- Name: saldos_since(bigint, bigint, bigint, integer); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.saldos_since(p_transacao bigint, p_mudanca bigint, p_parte bigint, p_limit integer) RETURNS TABLE(transacao bigint, mudanca bigint, parte bigint, changes_read bigint, sku text, dono text, situacao text, nome text, alvo bigint, quantidade bigint, reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint)
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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


--
-- Name: FUNCTION saldos_since(p_transacao bigint, p_mudanca bigint, p_parte bigint, p_limit integer); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.saldos_since(p_transacao bigint, p_mudanca bigint, p_parte bigint, p_limit integer) IS 'current balances of the SKUs changed after a position of the change log, of up to p_limit changes';


--
-- Name: sweep_lag(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.sweep_lag() RETURNS interval
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
    select greatest(agora() - min(p.expira_em), interval '0') from pedido p where p.status = 'EstoqueReservado';
$$;


--
-- Name: FUNCTION sweep_lag(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.sweep_lag() IS 'the time for which the oldest lapsed reservation has been waiting for the sweep; zero if there is none';


--
-- Name: sweep_reservas(integer); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.sweep_reservas(p_limit integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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


--
-- Name: FUNCTION sweep_reservas(p_limit integer); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.sweep_reservas(p_limit integer) IS 'sweeps up to p_limit lapsed reservations and returns their number; fewer than the limit when no more are due, or the others are locked';


--
-- Name: sync_items(text[], text[], text[], bigint[], boolean[], bigint[], boolean[]); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.sync_items(p_owners text[], p_skus text[], p_names text[], p_quantities bigint[], p_paused boolean[], p_low_stock bigint[], p_ending boolean[]) RETURNS TABLE(dono text, sku text, dono_atual text, situacao text, alvo bigint, quantidade bigint, reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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


--
-- Name: FUNCTION sync_items(p_owners text[], p_skus text[], p_names text[], p_quantities bigint[], p_paused boolean[], p_low_stock bigint[], p_ending boolean[]); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.sync_items(p_owners text[], p_skus text[], p_names text[], p_quantities bigint[], p_paused boolean[], p_low_stock bigint[], p_ending boolean[]) IS 'makes stock rows match StockItems; returns the current row of each item: if dono_atual differs from dono, another item owns the row, or none does';


--
-- Name: uuidv7_floor(timestamp with time zone); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.uuidv7_floor(p_instant timestamp with time zone) RETURNS uuid
    LANGUAGE sql IMMUTABLE STRICT
    AS $$
    select (lpad(to_hex((extract(epoch from p_instant) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
$$;


--
-- Name: FUNCTION uuidv7_floor(p_instant timestamp with time zone); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.uuidv7_floor(p_instant timestamp with time zone) IS 'the smallest UUIDv7 of an instant (RFC 9562, section 5.7): ids generated before it are smaller';


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: bilhete; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.bilhete (
    resumo bytea NOT NULL,
    cliente_id text,
    escopos text[] NOT NULL,
    expira_em timestamp with time zone NOT NULL
);


--
-- Name: TABLE bilhete; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.bilhete IS 'tickets for event streams that have been issued and not used';


--
-- Name: COLUMN bilhete.resumo; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.bilhete.resumo IS 'SHA-256 of the ticket, which itself is stored nowhere';


--
-- Name: COLUMN bilhete.cliente_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.bilhete.cliente_id IS 'the customer that it was issued to; null if identities are not required';


--
-- Name: estoque; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.estoque (
    sku text NOT NULL COLLATE pg_catalog."C",
    nome text NOT NULL,
    alvo bigint NOT NULL,
    quantidade bigint NOT NULL,
    reservado bigint DEFAULT 0 NOT NULL,
    vendido bigint DEFAULT 0 NOT NULL,
    arquivado bigint DEFAULT 0 NOT NULL,
    situacao text DEFAULT 'Ativo'::text NOT NULL,
    limite_baixo bigint,
    dono text,
    alterado_em timestamp with time zone DEFAULT public.agora() NOT NULL,
    CONSTRAINT dono_of_live_item CHECK (((dono IS NULL) OR (situacao <> 'Encerrado'::text))),
    CONSTRAINT never_oversell CHECK (((reservado + vendido) <= quantidade)),
    CONSTRAINT quantidade_in_force CHECK ((quantidade = GREATEST(alvo, (reservado + vendido)))),
    CONSTRAINT valid_alvo CHECK ((alvo >= 0)),
    CONSTRAINT valid_arquivado CHECK (((arquivado >= 0) AND (arquivado <= vendido))),
    CONSTRAINT valid_reservado CHECK ((reservado >= 0)),
    CONSTRAINT valid_situacao CHECK ((situacao = ANY (ARRAY['Ativo'::text, 'Pausado'::text, 'Encerrando'::text, 'Encerrado'::text]))),
    CONSTRAINT valid_vendido CHECK ((vendido >= 0))
)
WITH (fillfactor='50');


--
-- Name: TABLE estoque; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.estoque IS 'one row per SKU: the units ever supplied, and those reserved, sold and archived';


--
-- Name: COLUMN estoque.alvo; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.estoque.alvo IS 'spec.quantity of the StockItem: all units ever supplied';


--
-- Name: COLUMN estoque.quantidade; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.estoque.quantidade IS 'supply in force: greatest(alvo, reservado + vendido)';


--
-- Name: COLUMN estoque.arquivado; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.estoque.arquivado IS 'sold units of purged orders; units of other orders are in `reserva`';


--
-- Name: COLUMN estoque.situacao; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.estoque.situacao IS 'Ativo | Pausado (no new reservations) | Encerrando (being deleted, reservations remain) | Encerrado (deleted)';


--
-- Name: COLUMN estoque.dono; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.estoque.dono IS 'namespace/name of the StockItem that declares this SKU; null when none does';


--
-- Name: inbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.inbox (
    evento_id uuid NOT NULL,
    recusa text,
    recebido_em timestamp with time zone DEFAULT public.agora() NOT NULL
);


--
-- Name: TABLE inbox; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.inbox IS 'ids of processed events, with the reason if an event had no effect: the answer when it is redelivered';


--
-- Name: mudanca; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.mudanca (
    id bigint NOT NULL,
    transacao xid8 DEFAULT pg_current_xact_id() NOT NULL,
    skus text[] DEFAULT '{}'::text[] NOT NULL,
    criado_em timestamp with time zone DEFAULT public.agora() NOT NULL
);
ALTER TABLE ONLY public.mudanca ALTER COLUMN skus SET STATISTICS 0;


--
-- Name: TABLE mudanca; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.mudanca IS 'change log for the event streams: the SKUs whose balance each statement changed';


--
-- Name: mudanca_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.mudanca ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.mudanca_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: outbox; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.outbox (
    id bigint NOT NULL,
    quantos integer NOT NULL,
    pedidos uuid[] NOT NULL,
    versoes integer[] NOT NULL,
    status text[] NOT NULL,
    causas uuid[],
    recusas text[],
    expira_em timestamp with time zone[],
    itens_em_falta jsonb[] NOT NULL,
    traceparents text[],
    criado_em timestamp with time zone DEFAULT public.agora() NOT NULL,
    CONSTRAINT valid_quantos CHECK (((quantos > 0) AND (quantos = cardinality(pedidos))))
);


--
-- Name: TABLE outbox; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.outbox IS 'facts for pedidos, written in the transaction that made them true; the relay deletes those that the broker confirmed';


--
-- Name: COLUMN outbox.quantos; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.quantos IS 'the number of facts';


--
-- Name: outbox_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.outbox ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: pedido; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.pedido (
    id uuid NOT NULL,
    status text NOT NULL,
    versao integer NOT NULL,
    itens jsonb NOT NULL,
    itens_em_falta jsonb DEFAULT '[]'::jsonb NOT NULL,
    expira_em timestamp with time zone,
    criado_em timestamp with time zone DEFAULT public.agora() NOT NULL,
    atualizado_em timestamp with time zone DEFAULT public.agora() NOT NULL,
    criacao uuid,
    CONSTRAINT only_reserva_expires CHECK (((status = 'EstoqueReservado'::text) = (expira_em IS NOT NULL))),
    CONSTRAINT valid_status CHECK ((status = ANY (ARRAY['EstoqueReservado'::text, 'EstoqueNaoDisponivel'::text, 'ReservaExpirada'::text, 'Fechado'::text, 'Cancelado'::text]))),
    CONSTRAINT valid_versao CHECK ((versao > 0))
);
ALTER TABLE ONLY public.pedido ALTER COLUMN itens SET STATISTICS 0;
ALTER TABLE ONLY public.pedido ALTER COLUMN itens_em_falta SET STATISTICS 0;


--
-- Name: TABLE pedido; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.pedido IS 'one row per order that estoque knows';


--
-- Name: COLUMN pedido.criacao; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.pedido.criacao IS 'the event that created it, if it was reserved without a decision; the ids of all other events are in the inbox';


--
-- Name: reserva; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.reserva (
    pedido_id uuid NOT NULL,
    sku text NOT NULL COLLATE pg_catalog."C",
    quantidade integer NOT NULL,
    expira_em timestamp with time zone NOT NULL,
    vendida boolean DEFAULT false NOT NULL,
    CONSTRAINT reserva_quantidade_check CHECK ((quantidade > 0))
);


--
-- Name: TABLE reserva; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.reserva IS 'units that an order holds (vendida false) or has bought, one row per SKU; released lines are deleted';


--
-- Name: saldo; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.saldo AS
 SELECT e.sku,
    e.nome,
    e.alvo,
    GREATEST(e.alvo, ((e.reservado - l.lapsed) + e.vendido)) AS quantidade,
    (e.reservado - l.lapsed) AS reservado,
    e.vendido,
    GREATEST(((e.alvo - (e.reservado - l.lapsed)) - e.vendido), (0)::bigint) AS disponivel,
    e.situacao,
    e.limite_baixo,
    e.dono,
    e.alterado_em
   FROM (public.estoque e
     CROSS JOIN LATERAL ( SELECT COALESCE(sum(r.quantidade), (0)::bigint) AS lapsed
           FROM public.reserva r
          WHERE ((r.sku = e.sku) AND (NOT r.vendida) AND (r.expira_em <=
                CASE
                    WHEN ((e.alterado_em > ( SELECT public.agora() AS agora)) AND (e.alterado_em < (( SELECT public.agora() AS agora) + public.clock_tolerance()))) THEN e.alterado_em
                    ELSE ( SELECT public.agora() AS agora)
                END))) l);


--
-- Name: VIEW saldo; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON VIEW public.saldo IS 'balances by SKU, without reservations that have lapsed';


--
-- Name: schema_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);


--
-- Name: bilhete bilhete_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.bilhete
    ADD CONSTRAINT bilhete_pkey PRIMARY KEY (resumo);


--
-- Name: estoque estoque_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.estoque
    ADD CONSTRAINT estoque_pkey PRIMARY KEY (sku);


--
-- Name: inbox inbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.inbox
    ADD CONSTRAINT inbox_pkey PRIMARY KEY (evento_id);


--
-- Name: mudanca mudanca_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.mudanca
    ADD CONSTRAINT mudanca_pkey PRIMARY KEY (transacao, id);


--
-- Name: outbox outbox_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (id);


--
-- Name: pedido pedido_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.pedido
    ADD CONSTRAINT pedido_pkey PRIMARY KEY (id);


--
-- Name: reserva reserva_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.reserva
    ADD CONSTRAINT reserva_pkey PRIMARY KEY (pedido_id, sku);


--
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: bilhete_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX bilhete_by_expiry ON public.bilhete USING btree (expira_em);


--
-- Name: pedido_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pedido_by_expiry ON public.pedido USING btree (expira_em) WHERE (status = 'EstoqueReservado'::text);


--
-- Name: reserva_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX reserva_by_expiry ON public.reserva USING btree (sku, expira_em) INCLUDE (quantidade) WHERE (NOT vendida);


--
-- Name: reserva_sold; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX reserva_sold ON public.reserva USING btree (sku) INCLUDE (quantidade) WHERE vendida;


--
-- Name: estoque estoque_deleted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER estoque_deleted AFTER DELETE ON public.estoque REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.log_changed_skus();


--
-- Name: estoque estoque_inserted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER estoque_inserted AFTER INSERT ON public.estoque REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.log_changed_skus();


--
-- Name: estoque estoque_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER estoque_updated AFTER UPDATE ON public.estoque REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.log_changed_skus();


--
-- Name: estoque only_declared_supply; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER only_declared_supply BEFORE UPDATE ON public.estoque FOR EACH ROW WHEN ((new.quantidade > GREATEST(old.quantidade, new.alvo))) EXECUTE FUNCTION public.reject_undeclared_supply();


--
-- Name: estoque valid_sku; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER valid_sku BEFORE INSERT OR UPDATE OF sku ON public.estoque FOR EACH ROW WHEN ((new.sku !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)) EXECUTE FUNCTION public.reject_invalid_sku();


--
-- PostgreSQL database dump complete
--

\unrestrict dbmate


--
-- Dbmate schema migrations
--

INSERT INTO public.schema_migrations (version) VALUES
    ('20261128130000');
