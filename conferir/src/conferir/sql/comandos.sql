-- A slice of the commands.
select id, pedido_id, tipo, criado_em, reenviar_em is not null as pendente, respondido_em is not null as respondido,
    recusa
from comando
where id > $1
order by id
limit $2
