-- The newest and the oldest row of the outbox, and the number of facts in its oldest $1 rows, up to $1. Read by index,
-- because the table stays large after a backlog.
select max(id) as newest, min(id) as oldest,
    (select least(coalesce(sum(quantos), 0), $1) from (select quantos from outbox order by id limit $1) waiting) as depth
from outbox
