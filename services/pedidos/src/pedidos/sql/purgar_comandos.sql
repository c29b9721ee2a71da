-- Forgets commands that were made before $1 and are not sent again, at most $2 of them.
delete from comando
where id in (
    select id from comando
    where id < uuid_de($1) and reenviar_em is null
    order by id
    limit $2
    for update skip locked
)
returning 1
