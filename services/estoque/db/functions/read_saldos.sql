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
