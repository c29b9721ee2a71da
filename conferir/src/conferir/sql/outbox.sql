-- The number of unpublished events.
select coalesce(sum(quantos), 0) from outbox
