-- Purges orders that ended before $1, at most $2 of them.
delete from pedido
where id in (
    select id from pedido
    where id < uuid_de($1) and status in ('Fechado', 'Cancelado', 'EstoqueNaoDisponivel') and atualizado_em < $1
    order by id
    limit $2
    for update skip locked
)
returning 1
