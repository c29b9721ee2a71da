-- The other side of pedidos_passados.sql: orders, the lines of what was sold, and event ids of the last seven days.
set session_replication_role = replica;
set synchronous_commit = off;
create temp table passado as
select n, uuid_de(f.feito) as id, f.feito, case when n % 4 = 0 then 'Cancelado' else 'Fechado' end as status
from generate_series(:de::bigint, :ate) n
cross join lateral (
    select date_trunc('milliseconds', to_timestamp(:fim) - (:quantos - n) * interval '20 days' / :quantos) as feito
) f;
create temp table item as
select p.n, 'SKU-' || lpad((abs(hashint8extended(p.n, parte) % (:skus / 3)) + parte * (:skus / 3) + 1)::text, 7, '0') as sku
from passado p
cross join lateral generate_series(0, p.n % 3) parte;
insert into pedido (id, status, versao, itens, criado_em, atualizado_em)
select p.id, p.status, 2, i.itens, p.feito, p.feito + interval '10 minutes'
from passado p
join (select n, jsonb_object_agg(sku, 1) as itens from item group by n) i on i.n = p.n
order by p.n;
insert into reserva (pedido_id, sku, quantidade, expira_em, vendida)
select p.id, i.sku, 1, p.feito + interval '30 minutes', true
from passado p
join item i on i.n = p.n
where p.status = 'Fechado'
order by p.n;
insert into inbox (evento_id, recebido_em)
select e.id, p.feito
from passado p
cross join lateral (values (p.id), (uuid_de(p.feito + interval '10 minutes'))) e (id)
where p.feito > now() - interval '7 days'
order by e.id
on conflict do nothing;
