-- The newest and the oldest row of the outbox, and how many there are, up to $1. Read by index, since the table keeps the
-- room of a backlog.
select max(id) as newest, min(id) as oldest, (select count(*) from (select from outbox limit $1) waiting) as depth
from outbox
