-- Orders number :de to :ate of :quantos that ended over the twenty days before :fim (epoch seconds): three of four
-- were closed, one cancelled; 1 to 3 items each, over :skus SKUs. Both databases make the same orders of the same
-- numbers. Commands and keys are there no more: they are kept for a day. Without triggers, as for event streams.
set session_replication_role = replica;
set synchronous_commit = off;
insert into pedido (id, cliente_id, itens, status, versao, criado_em, atualizado_em, causa)
select uuid_de(f.feito), 'cliente-' || n % 100000, i.itens, case when n % 4 = 0 then 'Cancelado' else 'Fechado' end, 2,
    f.feito, f.feito + interval '10 minutes', uuid_de(f.feito + interval '10 minutes')
from generate_series(:de::bigint, :ate) n
cross join lateral (
    select date_trunc('milliseconds', to_timestamp(:fim) - (:quantos - n) * interval '20 days' / :quantos) as feito
) f
cross join lateral (
    select jsonb_agg(jsonb_build_object('sku', 'SKU-' || lpad(s::text, 7, '0'), 'quantidade', 1) order by s) as itens
    from (
        select abs(hashint8extended(n, parte) % (:skus / 3)) + parte * (:skus / 3) + 1 as s
        from generate_series(0, n % 3) parte
    ) o
) i;
