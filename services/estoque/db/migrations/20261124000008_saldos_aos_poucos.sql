-- migrate:up

-- Balances that may have changed since an instant, at most so many, in the order in which the rows lie in the table:
-- the next slice begins behind the last row of this one. What moves to a place that was passed already has changed, so
-- the next round finds it. A sequential scan may begin anywhere in the table, hence without.
create function ler_saldos_mudados(p_desde timestamptz, p_depois tid, p_limite integer)
returns table (
    lugar tid, sku text, dono text, situacao text, nome text, alvo bigint, quantidade bigint, reservado bigint,
    vendido bigint, disponivel bigint, limite_baixo bigint, alterado_em timestamptz
)
language sql security definer set search_path = public, pg_temp set enable_seqscan = off as $$
    select m.lugar, s.sku, s.dono, s.situacao, s.nome, s.alvo, s.quantidade, s.reservado, s.vendido, s.disponivel,
           s.limite_baixo, s.alterado_em
    from (
        select e.ctid as lugar, e.sku
        from estoque e
        where e.ctid > p_depois and e.alterado_em >= p_desde
        limit p_limite
    ) m
    join saldo s on s.sku = m.sku;
$$;

revoke execute on function ler_saldos_mudados from public;
grant execute on function ler_saldos_mudados to operador;

-- migrate:down

drop function ler_saldos_mudados;
