-- What pedidos has decided between two instants (epoch seconds), and how many orders were undecided at each of them.
-- Latency: from the order's commit to its decision in this database, in milliseconds.
with instante as materialized (
    select to_timestamp(:de) as de, to_timestamp(:ate) as ate
),
visto as (
    select p.status, p.criado_em, p.atualizado_em, p.status <> 'Criado' as decidido, i.de, i.ate
    from pedido p, instante i
    where p.id >= uuid_de(i.de - interval '2 minutes')
),
na_janela as (
    select extract(epoch from atualizado_em - criado_em) * 1000 as ms, status
    from visto where decidido and atualizado_em >= de and atualizado_em < ate
)
select json_build_object(
    'decididos', (select count(*) from na_janela),
    'reservados', (select count(*) from na_janela where status = 'EstoqueReservado'),
    'aceitos', (select count(*) from visto where criado_em >= de and criado_em < ate),
    'fila_no_inicio', (select count(*) from visto where criado_em < de and (not decidido or atualizado_em >= de)),
    'fila_no_fim', (select count(*) from visto where criado_em < ate and (not decidido or atualizado_em >= ate)),
    'p50', (select percentile_cont(0.5) within group (order by ms) from na_janela),
    'p99', (select percentile_cont(0.99) within group (order by ms) from na_janela)
);
