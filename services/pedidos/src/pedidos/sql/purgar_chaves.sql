-- Forgets idempotency keys that came before $1, at most $2 of them.
delete from idempotencia i
using (
    select cliente_id, caminho, chave from idempotencia where criado_em < $1 limit $2 for update skip locked
) v
where (i.cliente_id, i.caminho, i.chave) = (v.cliente_id, v.caminho, v.chave)
returning 1
