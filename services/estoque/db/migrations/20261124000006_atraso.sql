-- migrate:up

-- For how long the oldest reservation that has lapsed has been waiting for the sweep; zero when none does.
create function atraso_da_expiracao()
returns interval
language sql volatile security definer set search_path = public, pg_temp as $$
    select greatest(agora() - min(p.expira_em), interval '0') from pedido p where p.status = 'EstoqueReservado';
$$;

revoke execute on function atraso_da_expiracao from public;
grant execute on function atraso_da_expiracao to operador;

-- migrate:down

drop function atraso_da_expiracao;
