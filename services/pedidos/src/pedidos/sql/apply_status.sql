-- Applies each snapshot that is newer than its order, records the answers to commands of known orders, and notifies every
-- replica at commit of the orders' new snapshots. Schedules a follow-up $7 after each reservation's expiry, in case the
-- expiry notice is lost. One statement is one transaction, in one round trip; `locked` makes sure that all orders are
-- locked, by id, before any is changed.
--
-- Usually the first snapshot of an order answers its creation. If it answers a command that has overtaken the creation, or
-- the answer to the creation is lost, the creation becomes a row in `comando`, which is resent until it is answered. So
-- does a creation that is refused, because its order was known by then: the row has the refusal.
with known as materialized (
    select id, versao from pedido where id = any ($1::uuid[]) order by id for no key update
),
locked as materialized (
    select count(*) as orders from known
),
changed as (
    update pedido p
    set status = n.status, versao = n.versao, itens_em_falta = n.itens_em_falta, expira_em = n.expira_em,
        causa = n.causa, perguntar_em = n.expira_em + $7::interval, atualizado_em = agora()
    from unnest($1::uuid[], $2::text[], $3::integer[], $4::jsonb[], $5::timestamptz[], $6::uuid[],
        $11::text[]) as n (id, status, versao, itens_em_falta, expira_em, causa, recusa)
    where p.id = n.id and p.versao < n.versao and (select orders from locked) > 0
    returning p.id, json_build_array(p.id, case when length(n.itens_em_falta::text) < 1000 then json_build_array(
        n.causa, n.recusa, n.status, n.versao, n.itens_em_falta, n.expira_em, p.atualizado_em) end)::text as notice
),
overtaken as materialized (
    select k.id, r.recusa, case when r.id is null then agora() + $7 end as reenviar_em,
        case when r.id is not null then agora() end as respondido_em
    from known k
    left join unnest($8::uuid[], $9::text[]) as r (id, recusa) on r.id = k.id
    where (r.id is null or r.recusa is not null) and k.versao = 0
),
creation as (
    insert into comando (id, pedido_id, tipo, traceparent, criado_em, reenviar_em, respondido_em, recusa)
    select p.id, p.id, 'PedidoCriado', p.traceparent, p.criado_em, o.reenviar_em, o.respondido_em, o.recusa
    from overtaken o
    join pedido p on p.id = o.id
    on conflict do nothing
),
answer as materialized (
    select r.*
    from unnest($8, $9, $10::uuid[]) as r (id, recusa, pedido_id)
    join known k on k.id = r.pedido_id
    where r.id <> k.id or k.versao > 0
),
recovered as (
    -- Another replica decided the order, and wrote the row of its creation, while this statement waited for the lock of the
    -- order: the order is undecided and has no such row in this statement's snapshot.
    insert into comando (id, pedido_id, tipo, traceparent, criado_em, respondido_em, recusa)
    select p.id, p.id, 'PedidoCriado', p.traceparent, p.criado_em, agora(), a.recusa
    from answer a
    join pedido p on p.id = a.id
    where p.id = a.pedido_id and p.versao = 0
    on conflict (id) do update
    set respondido_em = excluded.respondido_em, reenviar_em = null, recusa = excluded.recusa
    where comando.respondido_em is null
    returning pedido_id
),
answered as (
    update comando c
    set respondido_em = agora(), reenviar_em = null, recusa = a.recusa
    from answer a
    where c.id = a.id and c.pedido_id = a.pedido_id and c.respondido_em is null and (select orders from locked) > 0
    returning c.pedido_id
),
notified as materialized (
    -- A notification holds 8,000 bytes, so a snapshot with many missing items is announced by id only and must be read.
    -- Counted below, because an unreferenced query would not be executed.
    select pg_notify('pedido_status', '[' || string_agg(s.notice, ',') || ']')
    from (
        select n.notice, sum(length(n.notice) + 1) over (rows unbounded preceding) as so_far
        from (
            select c.notice from changed c
            union all
            select distinct json_build_array(a.pedido_id)::text
            from (select pedido_id from answered union all select pedido_id from recovered) a
            where a.pedido_id not in (select id from changed)
        ) n
    ) s
    group by s.so_far / 6500
)
select array(select id from known) as known_ids, (select count(*) from changed) as applied,
    (select count(*) from notified) as notices
