-- Whether commands have been answered, and the current state of their orders.
select c.id as comando_id, c.respondido_em is not null as respondido, c.recusa, p.id, p.cliente_id, p.itens, p.status,
    p.versao, p.itens_em_falta, p.expira_em, p.criado_em, p.atualizado_em
from comando c
join pedido p on p.id = c.pedido_id
where c.id = any ($1::uuid[])
