-- The only clock of this database. Simulations and tests replace this function to control time, so no statement reads the
-- time in any other way.
create or replace function agora() returns timestamptz
language sql volatile as 'select clock_timestamp()';

comment on function agora is 'the only clock of this database';

grant execute on function agora to conferente;
