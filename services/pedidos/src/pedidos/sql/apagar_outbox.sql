-- Facts that the broker has confirmed.
delete from outbox where id = any ($1::bigint[])
