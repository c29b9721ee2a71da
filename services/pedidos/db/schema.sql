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
-- Name: log_changed_pedidos(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.log_changed_pedidos() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    SET enable_nestloop TO 'off'
    AS $$
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


--
-- Name: FUNCTION log_changed_pedidos(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.log_changed_pedidos() IS 'trigger: logs the orders that a statement gave a new version, in one row';


--
-- Name: log_created_pedidos(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.log_created_pedidos() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
begin
    insert into mudanca (pedidos, clientes, status, versoes, atualizado_em, expira_em)
    select array_agg(n.id), array_agg(n.cliente_id), array_agg(n.status), array_agg(n.versao),
        array_agg(n.atualizado_em), array_agg(n.expira_em)
    from (select * from new_rows order by id) n
    having count(*) > 0;
    return null;
end $$;


--
-- Name: FUNCTION log_created_pedidos(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.log_created_pedidos() IS 'trigger: logs the orders that a statement created, in one row';


--
-- Name: reject_invalid_cliente(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.reject_invalid_cliente() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'customer %: not 1 to 128 printable ASCII characters', new.cliente_id
        using errcode = 'check_violation';
end $$;


--
-- Name: FUNCTION reject_invalid_cliente(); Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON FUNCTION public.reject_invalid_cliente() IS 'trigger: rejects a malformed customer id';


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
-- Name: comando; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.comando (
    id uuid NOT NULL,
    pedido_id uuid NOT NULL,
    tipo text NOT NULL,
    traceparent text,
    criado_em timestamp with time zone DEFAULT public.agora() NOT NULL,
    reenviar_em timestamp with time zone,
    envios integer DEFAULT 1 NOT NULL,
    respondido_em timestamp with time zone,
    recusa text,
    se_versao integer,
    CONSTRAINT answered_is_not_resent CHECK (((respondido_em IS NULL) OR (reenviar_em IS NULL))),
    CONSTRAINT valid_tipo CHECK ((tipo = ANY (ARRAY['PedidoCriado'::text, 'FecharPedido'::text, 'CancelarPedido'::text, 'ReservarPedido'::text])))
);


--
-- Name: TABLE comando; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.comando IS 'commands sent to estoque for existing orders; a creation only while another command has overtaken it';


--
-- Name: COLUMN comando.id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.comando.id IS 'the id of its event';


--
-- Name: COLUMN comando.reenviar_em; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.comando.reenviar_em IS 'the time to publish it again; null once it is answered or given up';


--
-- Name: COLUMN comando.se_versao; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.comando.se_versao IS 'cancels the order only while it has this version: an order that seems abandoned may be renewed at the same instant';


--
-- Name: idempotencia; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.idempotencia (
    cliente_id text NOT NULL,
    caminho text NOT NULL,
    chave text NOT NULL,
    corpo bytea NOT NULL,
    pedido_id uuid NOT NULL,
    comando_id uuid NOT NULL,
    criado_em timestamp with time zone DEFAULT public.agora() NOT NULL
);


--
-- Name: TABLE idempotencia; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.idempotencia IS 'Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the request that each key identifies';


--
-- Name: COLUMN idempotencia.corpo; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.idempotencia.corpo IS 'a hash of the body of that request';


--
-- Name: mudanca; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.mudanca (
    id bigint NOT NULL,
    transacao xid8 DEFAULT pg_current_xact_id() NOT NULL,
    criado_em timestamp with time zone DEFAULT public.agora() NOT NULL,
    pedidos uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    clientes text[] DEFAULT '{}'::text[] NOT NULL,
    status text[] DEFAULT '{}'::text[] NOT NULL,
    versoes integer[] DEFAULT '{}'::integer[] NOT NULL,
    atualizado_em timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL,
    expira_em timestamp with time zone[] DEFAULT '{}'::timestamp with time zone[] NOT NULL
);
ALTER TABLE ONLY public.mudanca ALTER COLUMN pedidos SET STATISTICS 0;
ALTER TABLE ONLY public.mudanca ALTER COLUMN clientes SET STATISTICS 0;
ALTER TABLE ONLY public.mudanca ALTER COLUMN status SET STATISTICS 0;
ALTER TABLE ONLY public.mudanca ALTER COLUMN versoes SET STATISTICS 0;
ALTER TABLE ONLY public.mudanca ALTER COLUMN atualizado_em SET STATISTICS 0;
ALTER TABLE ONLY public.mudanca ALTER COLUMN expira_em SET STATISTICS 0;


--
-- Name: TABLE mudanca; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.mudanca IS 'change log for the event streams: the orders that each statement created or gave a new version';


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
    comandos uuid[] NOT NULL,
    CONSTRAINT valid_quantos CHECK (((quantos > 0) AND (quantos = cardinality(comandos))))
);


--
-- Name: TABLE outbox; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.outbox IS 'commands to publish now, and new orders; an event is built from its command and the order';


--
-- Name: COLUMN outbox.quantos; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.outbox.quantos IS 'the number of commands';


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
    cliente_id text NOT NULL,
    itens json NOT NULL,
    traceparent text,
    status text DEFAULT 'Criado'::text NOT NULL,
    versao integer DEFAULT 0 NOT NULL,
    itens_em_falta jsonb DEFAULT '[]'::jsonb NOT NULL,
    expira_em timestamp with time zone,
    criado_em timestamp with time zone DEFAULT public.agora() NOT NULL,
    atualizado_em timestamp with time zone DEFAULT public.agora() NOT NULL,
    causa uuid,
    perguntar_em timestamp with time zone,
    CONSTRAINT valid_status CHECK ((status = ANY (ARRAY['Criado'::text, 'EstoqueReservado'::text, 'EstoqueNaoDisponivel'::text, 'ReservaExpirada'::text, 'Fechado'::text, 'Cancelado'::text]))),
    CONSTRAINT versao_from_estoque CHECK (((status = 'Criado'::text) = (versao = 0)))
)
WITH (fillfactor='50');
ALTER TABLE ONLY public.pedido ALTER COLUMN itens SET STATISTICS 0;
ALTER TABLE ONLY public.pedido ALTER COLUMN traceparent SET STATISTICS 0;
ALTER TABLE ONLY public.pedido ALTER COLUMN itens_em_falta SET STATISTICS 0;


--
-- Name: TABLE pedido; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON TABLE public.pedido IS 'an order as its customer sees it; also the command that creates it, with the same id';


--
-- Name: COLUMN pedido.traceparent; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.pedido.traceparent IS 'the trace context of the request that created it';


--
-- Name: COLUMN pedido.status; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.pedido.status IS 'from estoque, like the columns below up to expira_em: the snapshot with the highest versao received so far';


--
-- Name: COLUMN pedido.versao; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.pedido.versao IS 'the version of the snapshot; 0 until estoque has answered';


--
-- Name: COLUMN pedido.causa; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.pedido.causa IS 'the command that the snapshot answers';


--
-- Name: COLUMN pedido.perguntar_em; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.pedido.perguntar_em IS 'the time to publish a command again: the creation until estoque answers, then causa if no snapshot follows the end of the reservation; null when no snapshot is awaited';


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
-- Name: comando comando_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.comando
    ADD CONSTRAINT comando_pkey PRIMARY KEY (id);


--
-- Name: idempotencia idempotencia_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.idempotencia
    ADD CONSTRAINT idempotencia_pkey PRIMARY KEY (cliente_id, caminho, chave);


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
-- Name: schema_migrations schema_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);


--
-- Name: bilhete_by_expiry; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX bilhete_by_expiry ON public.bilhete USING btree (expira_em);


--
-- Name: comando_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX comando_open ON public.comando USING btree (pedido_id) WHERE (reenviar_em IS NOT NULL);


--
-- Name: comando_unanswered; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX comando_unanswered ON public.comando USING btree (reenviar_em) WHERE (reenviar_em IS NOT NULL);


--
-- Name: idempotencia_by_age; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX idempotencia_by_age ON public.idempotencia USING btree (criado_em);


--
-- Name: pedido_by_cliente; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pedido_by_cliente ON public.pedido USING btree (cliente_id, id);


--
-- Name: pedido_by_follow_up; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pedido_by_follow_up ON public.pedido USING btree (perguntar_em) WHERE ((perguntar_em IS NOT NULL) AND (versao > 0));


--
-- Name: pedido_by_status; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX pedido_by_status ON public.pedido USING btree (status, id);


--
-- Name: pedido pedidos_inserted; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER pedidos_inserted AFTER INSERT ON public.pedido REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.log_created_pedidos();


--
-- Name: pedido pedidos_updated; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER pedidos_updated AFTER UPDATE ON public.pedido REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.log_changed_pedidos();


--
-- Name: pedido valid_cliente; Type: TRIGGER; Schema: public; Owner: -
--

CREATE TRIGGER valid_cliente BEFORE INSERT OR UPDATE OF cliente_id ON public.pedido FOR EACH ROW WHEN ((((length(new.cliente_id) < 1) OR (length(new.cliente_id) > 128)) OR (new.cliente_id ~ '[^\x20-\x7e]'::text))) EXECUTE FUNCTION public.reject_invalid_cliente();


--
-- PostgreSQL database dump complete
--

\unrestrict dbmate


--
-- Dbmate schema migrations
--

INSERT INTO public.schema_migrations (version) VALUES
    ('20261128130000');
