-- Whether commands have been answered, and the current state of their orders. A command without a row in `comando` is the
-- creation of the order with its id: it has been answered if the order has a snapshot.
select chave.comando as comando_id, case when c.id is null then p.versao > 0 else c.respondido_em is not null end
        as respondido,
    c.recusa, p.id, p.cliente_id, p.itens, p.status, p.versao, p.itens_em_falta, p.expira_em, p.criado_em,
    p.atualizado_em
from unnest($1::uuid[]) as chave (comando)
left join comando c on c.id = chave.comando
join pedido p on p.id = coalesce(c.pedido_id, chave.comando)
