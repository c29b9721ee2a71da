-- Applies the newest snapshot of each order where it is newer than what the order says, notes the answers to commands
-- of orders that there are, and tells every replica at commit which orders have changed. Of a reservation it is asked
-- $7 after its time, should no word have come by then. One statement is one transaction, in one round trip; that all
-- orders are locked by id before any is changed is what `trancados` is for.
with conhecido as materialized (
    select id from pedido where id = any ($1::uuid[]) order by id for no key update
),
trancados as materialized (
    select count(*) as quantos from conhecido
),
mudado as (
    update pedido p
    set status = n.status, versao = n.versao, itens_em_falta = n.itens_em_falta, expira_em = n.expira_em,
        causa = n.causa, perguntar_em = n.expira_em + $7::interval, atualizado_em = agora()
    from unnest($1::uuid[], $2::text[], $3::integer[], $4::jsonb[], $5::timestamptz[], $6::uuid[])
        as n (id, status, versao, itens_em_falta, expira_em, causa)
    where p.id = n.id and p.versao < n.versao and (select quantos from trancados) > 0
    returning p.id
),
respondido as (
    update comando c
    set respondido_em = agora(), reenviar_em = null, recusa = r.recusa
    from unnest($8::uuid[], $9::text[], $10::uuid[]) as r (id, recusa, pedido_id)
    where c.id = r.id and c.pedido_id = r.pedido_id and c.respondido_em is null and (select quantos from trancados) > 0
    returning c.pedido_id
),
avisado as materialized (
    -- A notification names up to 200 orders: it holds 8,000 bytes. Counted below, or nothing would be carried out.
    select pg_notify('pedido_status', string_agg(m.id::text, ','))
    from (
        select u.id, row_number() over () as ordem
        from (select id from mudado union select pedido_id from respondido) u
    ) m
    group by (m.ordem - 1) / 200
)
select array(select id from conhecido) as conhecidos, (select count(*) from mudado) as mudados,
    (select count(*) from avisado) as avisos
