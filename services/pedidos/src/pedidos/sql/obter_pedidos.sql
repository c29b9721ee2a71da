-- Orders by id, and by customer where one is given: another customer's order costs what an unknown one costs.
select chave.cliente as de, id, cliente_id, itens, status, versao, itens_em_falta, expira_em, criado_em, atualizado_em
from unnest($1::uuid[], $2::text[]) as chave (pedido, cliente)
join pedido on id = chave.pedido and cliente_id = coalesce(chave.cliente, cliente_id)
