-- The counterpart of past_pedidos.sql: orders, the lines of sold units, and event ids of the last seven days.
set session_replication_role = replica;
set synchronous_commit = off;
create temp table past as
select n, uuidv7_floor(d.created_at) as id, d.created_at, case when n % 4 = 0 then 'Cancelado' else 'Fechado' end as status
from generate_series(:first::bigint, :last) n
cross join lateral (
    select date_trunc('milliseconds', to_timestamp(:until) - (:count - n) * interval '20 days' / :count) as created_at
) d;
create temp table item as
select p.n, 'SKU-' || lpad((abs(hashint8extended(p.n, part) % (:skus / 3)) + part * (:skus / 3) + 1)::text, 7, '0') as sku
from past p
cross join lateral generate_series(0, p.n % 3) part;
insert into pedido (id, status, versao, itens, criado_em, atualizado_em)
select p.id, p.status, 2, i.itens, p.created_at, p.created_at + interval '10 minutes'
from past p
join (select n, jsonb_object_agg(sku, 1) as itens from item group by n) i on i.n = p.n
order by p.n;
insert into reserva (pedido_id, sku, quantidade, expira_em, vendida)
select p.id, i.sku, 1, p.created_at + interval '30 minutes', true
from past p
join item i on i.n = p.n
where p.status = 'Fechado'
order by p.n;
insert into inbox (evento_id, recebido_em)
select e.id, p.created_at
from past p
cross join lateral (values (p.id), (uuidv7_floor(p.created_at + interval '10 minutes'))) e (id)
where p.created_at > now() - interval '7 days'
order by e.id
on conflict do nothing;
