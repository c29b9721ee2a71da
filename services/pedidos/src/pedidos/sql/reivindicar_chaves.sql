-- Claims idempotency keys; sorted, so that two replicas cannot wait for each other. Who else claims the same key
-- now is waited for.
insert into idempotencia (cliente_id, caminho, chave, corpo, pedido_id, comando_id)
select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::uuid[])
    as c (cliente_id, caminho, chave, corpo, pedido_id, comando_id)
order by 1, 2, 3
on conflict do nothing
