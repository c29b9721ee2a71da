-- :quantas orders of one item that are reserved until :vencem (epoch seconds), as if estoque had answered; order n is
-- of SKU n modulo :skus. Both databases make the same ids of n. Without triggers: event streams do without them.
set session_replication_role = replica;
insert into pedido (id, cliente_id, itens, status, versao, expira_em, criado_em, atualizado_em, causa, perguntar_em)
select uuid_de(feito + n * interval '1 ms'), 'cliente-' || n % 100000,
    jsonb_build_array(jsonb_build_object('sku', 'SKU-' || lpad((n % :skus + 1)::text, 7, '0'), 'quantidade', 1)),
    'EstoqueReservado', 1, to_timestamp(:vencem), feito, feito,
    uuid_de(feito + n * interval '1 ms'), to_timestamp(:vencem) + interval '30 s'
from generate_series(1, :quantas) n
cross join (select to_timestamp(:feitas) as feito) f;
insert into comando (id, pedido_id, tipo, criado_em, respondido_em)
select id, id, 'PedidoCriado', criado_em, criado_em from pedido;
vacuum analyze pedido, comando;
