-- Writes min_wal_size of WAL, a megabyte at a time; the checkpoint then recycles the files.
select count(pg_logical_emit_message(false, 'bench', repeat('x', 1024 * 1024)))
from generate_series(1, (select setting::integer from pg_settings where name = 'min_wal_size'));
checkpoint;
