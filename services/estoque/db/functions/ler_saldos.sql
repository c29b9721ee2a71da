-- A transaction commits after the instant that it writes into `alterado_em`, so a reader must request a few seconds
-- more than it has seen. It takes no locks.
create or replace function ler_saldos(p_desde timestamptz)
returns table (
    sku text, dono text, situacao text, nome text, alvo bigint, quantidade bigint, reservado bigint,
    vendido bigint, disponivel bigint, limite_baixo bigint, alterado_em timestamptz
)
language sql volatile security definer set search_path = public, pg_temp as $$
    select s.sku, s.dono, s.situacao, s.nome, s.alvo, s.quantidade, s.reservado,
           s.vendido, s.disponivel, s.limite_baixo, s.alterado_em
    from saldo s
    where p_desde is null or s.alterado_em >= p_desde;
$$;

comment on function ler_saldos is 'balances of the rows that changed at or after p_desde; all of them when it is null';

revoke execute on function ler_saldos from public;
grant execute on function ler_saldos to operador;
