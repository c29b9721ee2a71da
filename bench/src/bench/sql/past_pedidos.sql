-- Orders number :first to :last of :count that ended during the twenty days before :until (epoch seconds): three of four
-- closed, one cancelled; 1 to 3 items each, over :skus SKUs. Both databases derive the same orders from the numbers.
-- Commands and keys are omitted, since they are kept for a day only. Triggers are off: event streams need no entries.
set session_replication_role = replica;
set synchronous_commit = off;
insert into pedido (id, cliente_id, itens, status, versao, criado_em, atualizado_em, causa)
select uuidv7_floor(d.created_at), 'cliente-' || n % 100000, i.itens, case when n % 4 = 0 then 'Cancelado' else 'Fechado' end, 2,
    d.created_at, d.created_at + interval '10 minutes', uuidv7_floor(d.created_at + interval '10 minutes')
from generate_series(:first::bigint, :last) n
cross join lateral (
    select date_trunc('milliseconds', to_timestamp(:until) - (:count - n) * interval '20 days' / :count) as created_at
) d
cross join lateral (
    select json_agg(json_build_object('sku', 'SKU-' || lpad(s::text, 7, '0'), 'quantidade', 1) order by s) as itens
    from (
        select abs(hashint8extended(n, part) % (:skus / 3)) + part * (:skus / 3) + 1 as s
        from generate_series(0, n % 3) part
    ) o
) i;
