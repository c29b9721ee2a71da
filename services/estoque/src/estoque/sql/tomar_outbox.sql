-- Removes the oldest $1 facts that no other relay is publishing. The relay commits once the broker has confirmed them.
-- Facts in $2 stay for another release.
with tomado as (
    delete from outbox
    where id = any (array(
        select id from outbox where id <> all ($2) and id <= $3 order by id limit $1 for update skip locked
    ))
    returning id, pedido_id, versao, status, causa, recusa, expira_em, itens_em_falta, traceparent, criado_em
)
select * from tomado order by id
