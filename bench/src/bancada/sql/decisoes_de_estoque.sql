-- How fast estoque decided all that it has: from the first transaction, which is not counted, to the last one.
select json_build_object(
    'pedidos', count(*),
    'reservados', count(*) filter (where status = 'EstoqueReservado'),
    'transacoes', count(distinct atualizado_em),
    'segundos', extract(epoch from max(atualizado_em) - min(atualizado_em)),
    'por_segundo', count(*) filter (where atualizado_em > (select min(atualizado_em) from pedido))
        / nullif(extract(epoch from max(atualizado_em) - min(atualizado_em)), 0)
) from pedido;
