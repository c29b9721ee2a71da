-- Forgets commands that were made before $1 and are not sent again, at most $2 of them. One that still waits in the
-- outbox is what its message is made of.
delete from comando
where id in (
    select c.id from comando c
    where c.id < uuid_de($1) and c.reenviar_em is null
        and not exists (select from outbox o where o.comando_id = c.id)
        and not exists (
            select from pedido p where p.id = c.pedido_id and p.causa = c.id and p.perguntar_em is not null
        )
    order by c.id
    limit $2
    for update skip locked
)
returning 1
