-- Remembers event ids; returns those that are new. Sorted, so that two replicas cannot wait for each other.
insert into inbox (evento_id)
select e.id from unnest($1::uuid[]) as e (id) order by e.id
on conflict do nothing
returning evento_id
