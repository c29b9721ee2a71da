-- The first statement of a snapshot, so it fixes the snapshot before reading the clock. `pid` identifies the backend.
select agora() as now, pg_backend_pid() as pid
