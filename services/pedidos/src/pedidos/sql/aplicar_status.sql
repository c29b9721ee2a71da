-- Applies snapshots to orders under our lock (the version is looked at once more: it costs nothing) and tells
-- whoever waits for them, in every replica: a notification names up to 200 orders, since it holds 8,000 bytes.
with aplicado as (
    update pedido p
    set status = n.status, versao = n.versao, itens_em_falta = n.itens_em_falta, expira_em = n.expira_em,
        atualizado_em = agora()
    from unnest($1::uuid[], $2::text[], $3::integer[], $4::jsonb[], $5::timestamptz[])
        as n (id, status, versao, itens_em_falta, expira_em)
    where p.id = n.id and p.versao < n.versao
    returning p.id
),
numerado as (
    select id, (row_number() over () - 1) / 200 as grupo from aplicado
)
select pg_notify('pedido_status', string_agg(id::text, ',')) from numerado group by grupo
