-- Orders whose reservation lapsed before $1 and whose customers never came back, at most $2 of them.
select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em
from pedido p
where p.status = 'ReservaExpirada' and p.id < uuid_de($1) and p.atualizado_em < $1
    and not exists (select from comando c where c.pedido_id = p.id and c.reenviar_em is not null)
order by p.id
limit $2
