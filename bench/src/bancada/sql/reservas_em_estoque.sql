-- The other side of reservas_em_pedidos.sql: order, line and event id each, and the counters that they add up to.
set session_replication_role = replica;
insert into pedido (id, status, versao, itens, expira_em, criado_em, atualizado_em)
select uuid_de(feito + n * interval '1 ms'), 'EstoqueReservado', 1,
    jsonb_build_object('SKU-' || lpad((n % :skus + 1)::text, 7, '0'), 1), to_timestamp(:vencem), feito, feito
from generate_series(1, :quantas) n
cross join (select to_timestamp(:feitas) as feito) f;
insert into reserva (pedido_id, sku, quantidade, expira_em)
select p.id, i.key, 1, p.expira_em from pedido p cross join lateral jsonb_object_keys(p.itens) i (key);
insert into inbox (evento_id) select id from pedido;
update estoque e set reservado = r.unidades
from (select sku, sum(quantidade) as unidades from reserva group by sku) r
where e.sku = r.sku;
vacuum analyze estoque, pedido, reserva, inbox;
