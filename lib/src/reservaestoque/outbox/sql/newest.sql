-- The newest and the oldest row of the outbox, and the number of rows, up to $1. Read by index, because the table stays
-- large after a backlog.
select max(id) as newest, min(id) as oldest, (select count(*) from (select from outbox limit $1) waiting) as depth
from outbox
