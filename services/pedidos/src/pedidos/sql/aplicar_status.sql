-- Applies snapshots to orders under our lock (the version is looked at once more: it costs nothing). A reservation
-- is asked about $7 after its time, should no word have come by then.
update pedido p
set status = n.status, versao = n.versao, itens_em_falta = n.itens_em_falta, expira_em = n.expira_em, causa = n.causa,
    perguntar_em = n.expira_em + $7::interval, atualizado_em = agora()
from unnest($1::uuid[], $2::text[], $3::integer[], $4::jsonb[], $5::timestamptz[], $6::uuid[])
    as n (id, status, versao, itens_em_falta, expira_em, causa)
where p.id = n.id and p.versao < n.versao
returning p.id
