-- Commands by id. An order is its own creation, which has a row in `comando` only if another command has overtaken it.
select id, pedido_id, tipo, criado_em, reenviar_em is not null as pending, respondido_em is not null as answered,
    recusa
from comando
where id = any ($1::uuid[])
union all
select p.id, p.id, 'PedidoCriado', p.criado_em, false, true, null
from pedido p
where p.id = any ($1) and p.versao > 0 and not exists (select from comando c where c.id = p.id)
