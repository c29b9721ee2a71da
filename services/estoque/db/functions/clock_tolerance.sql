-- A separate constant, because two rules need it: `decision_time`, and the view `saldo`, which repeats that rule. The
-- planner replaces the call with the value.
create or replace function clock_tolerance() returns interval
language sql immutable as $$ select interval '10 minutes' $$;

comment on function clock_tolerance is 'how far the clock may step back before it is believed at once';
