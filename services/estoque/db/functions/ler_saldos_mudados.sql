-- Pages through the stock table by physical position: the next page begins after the last row of this one. A row that
-- moves to a position already passed has changed, so the next round finds it. Sequential scans are off because a
-- synchronised one may start anywhere in the table. It takes no locks.
create or replace function ler_saldos_mudados(p_desde timestamptz, p_depois tid, p_limite integer)
returns table (
    lugar tid, sku text, dono text, situacao text, nome text, alvo bigint, quantidade bigint, reservado bigint,
    vendido bigint, disponivel bigint, limite_baixo bigint, alterado_em timestamptz
)
language sql security definer set search_path = public, pg_temp set enable_seqscan = off as $$
    select s.lugar, s.sku, s.dono, s.situacao, s.nome, s.alvo, s.quantidade, s.reservado, s.vendido, s.disponivel,
           s.limite_baixo, s.alterado_em
    from saldo s
    where s.lugar > p_depois and s.alterado_em >= p_desde
    limit p_limite;
$$;

comment on function ler_saldos_mudados is
    'up to p_limite balances of rows that changed at or after p_desde, of those that lie behind p_depois in the table';

revoke execute on function ler_saldos_mudados from public;
grant execute on function ler_saldos_mudados to operador;
