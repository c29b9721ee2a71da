-- The counterpart of reservas_in_pedidos.sql: an order, a line and an event id each, and matching counters.
set session_replication_role = replica;
insert into pedido (id, status, versao, itens, expira_em, criado_em, atualizado_em)
select uuidv7_floor(created_at + n * interval '1 ms'), 'EstoqueReservado', 1,
    jsonb_build_object('SKU-' || lpad((n % :skus + 1)::text, 7, '0'), 1), to_timestamp(:lapse_at), created_at, created_at
from generate_series(1, :count) n
cross join (select to_timestamp(:created_at) as created_at) d;
insert into reserva (pedido_id, sku, quantidade, expira_em)
select p.id, i.key, 1, p.expira_em from pedido p cross join lateral jsonb_object_keys(p.itens) i (key);
insert into inbox (evento_id) select id from pedido;
update estoque e set reservado = r.units
from (select sku, sum(quantidade) as units from reserva group by sku) r
where e.sku = r.sku;
vacuum analyze estoque, pedido, reserva, inbox;
