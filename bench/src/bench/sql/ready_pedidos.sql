-- :count orders from the bodies in `body`, with their commands in the outbox, as the service would commit them; not
-- resent meanwhile. Triggers are off: event streams need no entries.
set session_replication_role = replica;
create temp table new_order as
select uuidv7() as pedido_id, uuidv7() as comando_id, c.body
from generate_series(0, :count - 1) g
join body c on c.n = g % (select count(*) from body) + 1
order by g;
insert into pedido (id, cliente_id, itens) select pedido_id, body ->> 'clienteId', body -> 'itens' from new_order;
insert into comando (id, pedido_id, tipo, reenviar_em)
select comando_id, pedido_id, 'PedidoCriado', agora() + interval '1 hour' from new_order;
insert into outbox (comando_id) select comando_id from new_order order by pedido_id;
analyze pedido, comando, outbox;
