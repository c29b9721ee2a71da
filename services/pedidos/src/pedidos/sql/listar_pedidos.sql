-- Orders before an id, the newest first: keyset paging. Null filters let everything pass.
select id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em
from pedido
where ($1::text is null or cliente_id = $1)
    and ($2::text is null or status = $2)
    and ($3::uuid is null or id < $3)
order by id desc
limit $4
