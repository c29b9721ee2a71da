-- The first statement of a snapshot: it is taken before this clock is read. And whose it is.
select agora() as agora, pg_backend_pid() as pid
