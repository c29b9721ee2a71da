-- Takes out the oldest facts that no other relay is publishing; for good when the transaction commits, which is when
-- the broker has them.
with tomado as (
    delete from outbox
    where id = any (array(select id from outbox order by id limit $1 for update skip locked))
    returning id, pedido_id, versao, status, causa, recusa, expira_em, itens_em_falta, traceparent, criado_em
)
select * from tomado order by id
