-- As much WAL as the server keeps at least, a megabyte at a time; the checkpoint then makes its files ready for use.
select count(pg_logical_emit_message(false, 'bancada', repeat('x', 1024 * 1024)))
from generate_series(1, (select setting::integer from pg_settings where name = 'min_wal_size'));
checkpoint;
