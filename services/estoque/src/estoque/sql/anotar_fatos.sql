-- What pedidos is to hear of, in the transaction that makes it true.
insert into outbox (pedido_id, status, versao, itens_em_falta, expira_em, causa, recusa, traceparent, criado_em)
select n.*, $9
from unnest($1::uuid[], $2::text[], $3::integer[], $4::jsonb[], $5::timestamptz[], $6::uuid[], $7::text[], $8::text[])
    as n (pedido_id, status, versao, itens_em_falta, expira_em, causa, recusa, traceparent)
