-- A slice of the commands.
select id, pedido_id, tipo, criado_em, reenviar_em is not null as pending, respondido_em is not null as answered,
    recusa
from comando
where id > $1
order by id
limit $2
