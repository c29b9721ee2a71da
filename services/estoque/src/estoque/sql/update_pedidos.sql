-- Writes the new snapshots of known orders, all of which the caller has locked.
update pedido p
set status = n.status, versao = n.versao, itens_em_falta = n.itens_em_falta, expira_em = n.expira_em, atualizado_em = $6
from unnest($1::uuid[], $2::text[], $3::integer[], $4::jsonb[], $5::timestamptz[])
    as n (id, status, versao, itens_em_falta, expira_em)
where p.id = n.id
