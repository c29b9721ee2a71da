-- The number of unpublished rows.
select count(*) from outbox
