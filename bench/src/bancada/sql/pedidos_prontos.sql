-- :quantos orders, made of the bodies in `corpo`, with their commands in the outbox, as the service would have
-- committed them; they are not sent again meanwhile. The log of event streams does without them.
set session_replication_role = replica;
create temp table novo as
select uuidv7() as pedido_id, uuidv7() as comando_id, c.corpo
from generate_series(0, :quantos - 1) g
join corpo c on c.n = g % (select count(*) from corpo) + 1
order by g;
insert into pedido (id, cliente_id, itens) select pedido_id, corpo ->> 'clienteId', corpo -> 'itens' from novo;
insert into comando (id, pedido_id, tipo, reenviar_em)
select comando_id, pedido_id, 'PedidoCriado', agora() + interval '1 hour' from novo;
insert into outbox (comando_id) select comando_id from novo order by pedido_id;
analyze pedido, comando, outbox;
