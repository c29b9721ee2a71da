-- Records event ids. Sorted, so that two replicas cannot deadlock. Events older than $3 are not recorded: their ids may
-- have been purged.
with horizonte as materialized (
    select agora() - $3::interval as desde
),
recebido as (
    select r.id, r.criado_em < h.desde as velho
    from unnest($1::uuid[], $2::timestamptz[]) as r (id, criado_em), horizonte h
),
novo as (
    insert into inbox (evento_id)
    select r.id from recebido r where not r.velho order by r.id
    on conflict do nothing
    returning evento_id
)
select r.id, r.velho, r.id in (select evento_id from novo) as novo
from recebido r
