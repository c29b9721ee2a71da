-- Examines the next $2 event ids after $3 that are older than $1, and deletes those also received before $1. An id from a
-- wrong clock, or one that is not a UUIDv7, is not deleted early, because its event could then take effect twice.
with seen as materialized (
    select i.evento_id, i.ctid as tid
    from inbox i
    where i.evento_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000') and i.evento_id < uuidv7_floor($1)
    order by i.evento_id
    limit $2
),
deleted as (
    delete from inbox
    where ctid = any (array(
        select i.ctid from inbox i
        where i.ctid = any (array(select s.tid from seen s)) and i.recebido_em < $1
        for update skip locked
    ))
    returning 1
)
select (select count(*) from seen) as seen, (select count(*) from deleted) as purged,
    (select s.evento_id from seen s order by s.evento_id desc limit 1) as last
