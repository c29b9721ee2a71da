-- A slice of the commands. An order is its own creation, which has a row in `comando` only if another command has overtaken
-- it. Creations before $3 are left out, since estoque may have forgotten them, and so are those of undecided orders.
select *
from (
    (
        select id, pedido_id, tipo, criado_em, reenviar_em is not null as pending, respondido_em is not null as answered,
            recusa
        from comando
        where id > $1
        order by id
        limit $2
    )
    union all
    (
        select p.id, p.id, 'PedidoCriado', p.criado_em, false, true, null
        from pedido p
        where p.id > greatest($1, uuidv7_floor($3)) and p.versao > 0 and not exists (select from comando c where c.id = p.id)
        order by p.id
        limit $2
    )
) c
order by id
limit $2
