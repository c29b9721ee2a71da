-- The lag of the sweep, as a metric. It takes no locks: an order that is being swept still counts.
create or replace function sweep_lag()
returns interval
language sql volatile security definer set search_path = public, pg_temp as $$
    select greatest(agora() - min(p.expira_em), interval '0') from pedido p where p.status = 'EstoqueReservado';
$$;

comment on function sweep_lag is
    'the time for which the oldest lapsed reservation has been waiting for the sweep; zero if there is none';

revoke execute on function sweep_lag from public;
grant execute on function sweep_lag to operador;
