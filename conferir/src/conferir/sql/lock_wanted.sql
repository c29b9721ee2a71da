-- Whether a session waits, directly or in a queue, for a lock that backend $1 holds.
select exists (select from pg_locks where not granted and $1 = any (pg_blocking_pids(pid)))
