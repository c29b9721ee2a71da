-- Commands that are not published yet.
select count(*) from outbox;
