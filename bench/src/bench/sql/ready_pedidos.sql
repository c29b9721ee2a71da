-- :count orders from the bodies in `body`, with their commands in the outbox, as the service would commit them; not
-- resent during the measurement. Triggers are off: event streams need no entries.
set session_replication_role = replica;
create temp table new_order as
select g, uuidv7() as pedido_id, c.body
from generate_series(0, :count - 1) g
join body c on c.n = g % (select count(*) from body) + 1
order by g;
insert into pedido (id, cliente_id, itens, perguntar_em)
select pedido_id, body ->> 'clienteId', body -> 'itens', agora() + interval '1 hour' from new_order;
insert into outbox (quantos, comandos)
select count(*), array_agg(pedido_id order by g) from new_order group by g / 200 order by g / 200;
analyze pedido, outbox;
