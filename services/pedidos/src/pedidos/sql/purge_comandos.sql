-- Examines the next $2 commands after $3 that are older than $1, and deletes those that are no longer resent. A command in
-- the outbox stays, because its message is built from it, and so does one that is needed to follow up on its reservation.
with seen as materialized (
    select c.id, c.ctid as tid
    from comando c
    where c.id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000') and c.id < uuidv7_floor($1)
    order by c.id
    limit $2
),
in_outbox as materialized (
    select s.id from seen s join (select unnest(o.comandos) as id from outbox o) u on u.id = s.id
),
deleted as (
    delete from comando
    where ctid = any (array(
        select c.ctid from comando c
        where c.ctid = any (array(select s.tid from seen s)) and c.criado_em < $1 and c.reenviar_em is null
            and c.id not in (select o.id from in_outbox o)
            and not exists (
                select from pedido p where p.id = c.pedido_id and p.causa = c.id and p.perguntar_em is not null
            )
        for update of c skip locked
    ))
    returning 1
)
select (select count(*) from seen) as seen, (select count(*) from deleted) as purged,
    (select s.id from seen s order by s.id desc limit 1) as last
