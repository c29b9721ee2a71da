-- The answers to commands, and the current state of their orders. A command without a row in `comando` is the creation
-- of the order with its id: it has been answered if the order has a snapshot.
select wanted.id as comando_id, case when c.id is null then p.versao > 0 else c.respondido_em is not null end
        as answered,
    c.recusa, p.id, p.cliente_id, p.itens, p.status, p.versao, p.itens_em_falta, p.expira_em, p.criado_em,
    p.atualizado_em
from unnest($1::uuid[]) as wanted (id)
left join comando c on c.id = wanted.id
join pedido p on p.id = coalesce(c.pedido_id, wanted.id)
