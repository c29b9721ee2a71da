-- Commands by id.
select id, pedido_id, tipo, criado_em, reenviar_em is not null as pending, respondido_em is not null as answered,
    recusa
from comando
where id = any ($1::uuid[])
