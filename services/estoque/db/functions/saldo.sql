-- Balances for customers and the operator: lapsed reservations do not count, whether or not they have been swept. The
-- view takes no locks: a balance is information, and orders are decided on locked rows.
--
-- `agora()` is volatile, so the planner cannot use a call of it as an index condition and would read all held lines
-- of a SKU. A scalar subquery is evaluated once and gives the index a constant. The rule of `decision_time` is spelled out
-- because the planner does not inline a function whose arguments are subqueries: with calls, reading all balances
-- took 2.3 times as long.
create or replace view saldo as
select e.sku,
       e.nome,
       e.alvo,
       greatest(e.alvo, e.reservado - l.lapsed + e.vendido) as quantidade,
       e.reservado - l.lapsed as reservado,
       e.vendido,
       greatest(e.alvo - (e.reservado - l.lapsed) - e.vendido, 0) as disponivel,
       e.situacao,
       e.limite_baixo,
       e.dono,
       e.alterado_em
from estoque e
cross join lateral (
    select coalesce(sum(r.quantidade), 0)::bigint as lapsed
    from reserva r
    where r.sku = e.sku and not r.vendida and r.expira_em <= case
        when e.alterado_em > (select agora()) and e.alterado_em < (select agora()) + clock_tolerance()
        then e.alterado_em else (select agora())
    end
) l;

comment on view saldo is 'balances by SKU, without reservations that have lapsed';

grant select on saldo to estoque_runtime;
