-- A separate constant, because two rules need it: `decision_time`, and the view `saldo`, which repeats that rule. The
-- planner replaces the call with the value.
create or replace function clock_tolerance() returns interval
language sql immutable as $$ select interval '10 minutes' $$;

comment on function clock_tolerance is 'the largest step back of the clock that is ignored; after a larger one the clock counts at once';
