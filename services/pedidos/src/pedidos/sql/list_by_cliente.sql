-- Orders of a customer before an id, newest first: keyset paging, one statement per filter.
-- Expressed as a range, because a plan for a single value may scan the whole index for a rare one.
-- Returns at most $2 orders and stops once they total $3 lines, since an order has up to 200 lines, missing items
-- included. One more row, with `fits` false, marks that orders were cut off.
select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em, before < $3 as fits
from (
    select p.*,
        coalesce(sum(p.lines) over (rows between unbounded preceding and 1 preceding), 0) as before,
        coalesce(sum(p.lines) over (rows between unbounded preceding and 2 preceding), 0) as before_previous
    from (
        select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em,
            json_array_length(itens) + jsonb_array_length(itens_em_falta) as lines
        from pedido
        where (cliente_id, id) < ($4, $1) and cliente_id >= $4
        order by cliente_id desc, id desc
        limit $2
    ) p
) q
where before_previous < $3
