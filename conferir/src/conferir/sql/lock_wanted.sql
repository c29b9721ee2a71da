-- Whether somebody waits, directly or behind others, for a lock that a server process holds.
select exists (select from pg_locks where not granted and $1 = any (pg_blocking_pids(pid)))
