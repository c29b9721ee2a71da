-- Some commands.
select id, pedido_id, tipo, criado_em, reenviar_em is not null as pendente, respondido_em is not null as respondido,
    recusa
from comando
where id = any ($1::uuid[])
