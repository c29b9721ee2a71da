-- A separate constant, because two rules need it: `instante`, and the view `saldo`, which repeats that rule. The
-- planner replaces the call with the value.
create or replace function recuo_tolerado() returns interval
language sql immutable as $$ select interval '10 minutes' $$;

comment on function recuo_tolerado is 'how far the clock may step back before it is believed at once';

-- Keeps the clock of a SKU monotonic. A stock row stores the instant of its last change (`alterado_em`), and so does
-- an order (`atualizado_em`). No decision under their locks is made at an earlier instant. Otherwise a clock that
-- steps back after lapsed units went to another order would revive the reservation of their first order.
--
-- A mark further ahead than `recuo_tolerado` was set by a clock that was wrong and has been corrected since. Waiting
-- for it could hold units for years, so the clock wins; the missing lines then show that a reservation has lapsed.
create or replace function instante(p_marca timestamptz, p_agora timestamptz) returns timestamptz
language sql immutable as $$
    select case when p_marca > p_agora and p_marca < p_agora + recuo_tolerado() then p_marca else p_agora end;
$$;

comment on function instante is
    'the instant of a decision: p_agora, the clock, or p_marca, the latest change of the locked rows, if that is later';
