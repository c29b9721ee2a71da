-- Examines the next $2 commands after $3 that are older than $1, and deletes those that are no longer resent. A command in
-- the outbox stays, because its message is built from it, and so does one that is needed to follow up on its reservation.
with visto as materialized (
    select c.id, c.ctid as lugar
    from comando c
    where c.id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000') and c.id < uuid_de($1)
    order by c.id
    limit $2
),
na_outbox as materialized (
    select v.id from visto v join (select unnest(o.comandos) as id from outbox o) u on u.id = v.id
),
apagado as (
    delete from comando
    where ctid = any (array(
        select c.ctid from comando c
        where c.ctid = any (array(select v.lugar from visto v)) and c.criado_em < $1 and c.reenviar_em is null
            and c.id not in (select n.id from na_outbox n)
            and not exists (
                select from pedido p where p.id = c.pedido_id and p.causa = c.id and p.perguntar_em is not null
            )
        for update of c skip locked
    ))
    returning 1
)
select (select count(*) from visto) as seen, (select count(*) from apagado) as purged,
    (select v.id from visto v order by v.id desc limit 1) as last
