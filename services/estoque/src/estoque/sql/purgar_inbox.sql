-- Examines the next $2 event ids after $3 that are older than $1, and deletes those also received before $1. An id from a
-- wrong clock, or one that is not a UUIDv7, is not deleted early, because its event could then take effect twice.
with visto as materialized (
    select i.evento_id, i.ctid as lugar
    from inbox i
    where i.evento_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000') and i.evento_id < uuid_de($1)
    order by i.evento_id
    limit $2
),
apagado as (
    delete from inbox
    where ctid = any (array(
        select i.ctid from inbox i
        where i.ctid = any (array(select v.lugar from visto v)) and i.recebido_em < $1
        for update skip locked
    ))
    returning 1
)
select (select count(*) from visto) as seen, (select count(*) from apagado) as purged,
    (select v.evento_id from visto v order by v.evento_id desc limit 1) as last
