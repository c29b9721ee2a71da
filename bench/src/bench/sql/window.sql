-- The orders that pedidos decided between two instants (epoch seconds), and the undecided ones at either instant.
-- Latency: milliseconds from the commit of the order to its decision in this database.
with bounds as materialized (
    select to_timestamp(:start) as start_at, to_timestamp(:end) as end_at
),
seen as (
    select p.status, p.criado_em, p.atualizado_em, p.status <> 'Criado' as decided, b.start_at, b.end_at
    from pedido p, bounds b
    where p.id >= uuidv7_floor(b.start_at - interval '2 minutes')
),
in_window as (
    select extract(epoch from atualizado_em - criado_em) * 1000 as ms, status
    from seen where decided and atualizado_em >= start_at and atualizado_em < end_at
)
select json_build_object(
    'decided', (select count(*) from in_window),
    'reserved', (select count(*) from in_window where status = 'EstoqueReservado'),
    'accepted', (select count(*) from seen where criado_em >= start_at and criado_em < end_at),
    'backlog_at_start', (select count(*) from seen where criado_em < start_at and (not decided or atualizado_em >= start_at)),
    'backlog_at_end', (select count(*) from seen where criado_em < end_at and (not decided or atualizado_em >= end_at)),
    'p50', (select percentile_cont(0.5) within group (order by ms) from in_window),
    'p99', (select percentile_cont(0.99) within group (order by ms) from in_window)
);
