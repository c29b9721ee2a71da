-- Deletes rows whose events have been published. Skips rows that another relay has locked: that relay publishes them
-- once more and deletes them.
delete from outbox
where id = any (array(select id from outbox where id = any ($1::bigint[]) for update skip locked))
