-- :count orders of one item, reserved until :lapse_at (epoch seconds), as if estoque had answered; order n names SKU
-- n modulo :skus. Both databases derive the same ids from n. Triggers are off: event streams need no entries.
set session_replication_role = replica;
insert into pedido (id, cliente_id, itens, status, versao, expira_em, criado_em, atualizado_em, causa, perguntar_em)
select uuidv7_floor(created_at + n * interval '1 ms'), 'cliente-' || n % 100000,
    json_build_array(json_build_object('sku', 'SKU-' || lpad((n % :skus + 1)::text, 7, '0'), 'quantidade', 1)),
    'EstoqueReservado', 1, to_timestamp(:lapse_at), created_at, created_at,
    uuidv7_floor(created_at + n * interval '1 ms'), to_timestamp(:lapse_at) + interval '30 s'
from generate_series(1, :count) n
cross join (select to_timestamp(:created_at) as created_at) d;
vacuum analyze pedido;
