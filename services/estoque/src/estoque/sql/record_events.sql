-- Records event ids. Sorted, so that two replicas cannot deadlock. Events older than $3 are not recorded: their ids may
-- have been purged.
with horizon as materialized (
    select agora() - $3::interval as since
),
received as (
    select r.id, r.criado_em < h.since as too_old
    from unnest($1::uuid[], $2::timestamptz[]) as r (id, criado_em), horizon h
),
inserted as (
    insert into inbox (evento_id)
    select r.id from received r where not r.too_old order by r.id
    on conflict do nothing
    returning evento_id
)
select r.id, r.too_old, r.id in (select evento_id from inserted) as is_new
from received r
