-- The newest row of the outbox. Read by index, since the table keeps the room of a backlog.
select max(id) from outbox
