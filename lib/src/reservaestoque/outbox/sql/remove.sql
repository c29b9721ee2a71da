-- Deletes rows whose events have been published. Those that another relay has taken meanwhile are gone already.
delete from outbox where id = any ($1::bigint[])
