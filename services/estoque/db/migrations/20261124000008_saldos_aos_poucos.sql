-- migrate:up

-- Where the row of a balance lies, so that balances can be read a little at a time.
create or replace view saldo as
select e.sku,
       e.nome,
       e.alvo,
       greatest(e.alvo, e.reservado - l.vencido + e.vendido) as quantidade,
       e.reservado - l.vencido as reservado,
       e.vendido,
       greatest(e.alvo - (e.reservado - l.vencido) - e.vendido, 0) as disponivel,
       e.situacao,
       e.limite_baixo,
       e.dono,
       e.alterado_em,
       e.ctid as lugar
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as vencido
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= (select agora())
) l;

-- Balances that may have changed since an instant, at most so many, in the order in which the rows lie in the table:
-- the next slice begins behind the last row of this one. What moves to a place that was passed already has changed, so
-- the next round finds it. A sequential scan may begin anywhere in the table, hence without.
create function ler_saldos_mudados(p_desde timestamptz, p_depois tid, p_limite integer)
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

revoke execute on function ler_saldos_mudados from public;
grant execute on function ler_saldos_mudados to operador;

-- migrate:down

drop function ler_saldos_mudados;

drop view saldo;

create view saldo as
select e.sku,
       e.nome,
       e.alvo,
       greatest(e.alvo, e.reservado - l.vencido + e.vendido) as quantidade,
       e.reservado - l.vencido as reservado,
       e.vendido,
       greatest(e.alvo - (e.reservado - l.vencido) - e.vendido, 0) as disponivel,
       e.situacao,
       e.limite_baixo,
       e.dono,
       e.alterado_em
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as vencido
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= (select agora())
) l;
