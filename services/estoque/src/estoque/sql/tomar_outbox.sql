-- Takes out the oldest $1 facts that no other relay is publishing; for good when the transaction commits, which is when
-- the broker has them. Those of $2 stay for another release.
with tomado as (
    delete from outbox
    where id = any (array(select id from outbox where id <> all ($2) order by id limit $1 for update skip locked))
    returning id, pedido_id, versao, status, causa, recusa, expira_em, itens_em_falta, traceparent, criado_em
)
select * from tomado order by id
