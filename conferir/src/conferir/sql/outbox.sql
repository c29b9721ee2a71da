-- How much has not been published yet.
select count(*) from outbox
