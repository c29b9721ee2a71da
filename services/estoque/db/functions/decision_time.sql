-- Keeps the clock of a SKU monotonic. A stock row stores the instant of its last change (`alterado_em`), and so does
-- an order (`atualizado_em`). No decision under their locks is made at an earlier instant. Otherwise a clock that
-- steps back after lapsed units went to another order would revive the reservation of their first order.
--
-- A mark further ahead than `clock_tolerance` was set by a clock that was wrong and has been corrected since. Waiting
-- for it could hold units for years, so the clock wins; the missing lines then show that a reservation has lapsed.
create or replace function decision_time(p_mark timestamptz, p_now timestamptz) returns timestamptz
language sql immutable as $$
    select case when p_mark > p_now and p_mark < p_now + clock_tolerance() then p_mark else p_now end;
$$;

comment on function decision_time is
    'the instant of a decision: p_now, the clock, or p_mark, the latest change of the locked rows, if that is later';
