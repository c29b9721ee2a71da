-- Orders seen for the first time. A key that is there already means that another replica heard of the order
-- after we looked: the whole batch is then decided again, with the row locked.
insert into pedido (id, status, versao, itens, itens_em_falta, expira_em, criado_em, atualizado_em)
select n.*, $7, $7
from unnest($1::uuid[], $2::text[], $3::integer[], $4::jsonb[], $5::jsonb[], $6::timestamptz[])
    as n (id, status, versao, itens, itens_em_falta, expira_em)
order by n.id
