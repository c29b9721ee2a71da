-- Orders made since $1 that have more versions than commands: their reservations must have lapsed. A command comes
-- with its order or after it, from a process whose clock may be a little behind.
select p.id, p.status, p.versao, c.comandos, c.reservas, c.fechamentos
from pedido p
join (
    select pedido_id,
           count(*) as comandos,
           count(*) filter (where recusa is null and tipo in ('PedidoCriado', 'ReservarPedido')) as reservas,
           count(*) filter (where recusa is null and tipo = 'FecharPedido') as fechamentos
    from comando
    where id >= uuid_de($1::timestamptz - interval '1 minute')
    group by pedido_id
) c on c.pedido_id = p.id
where p.id >= uuid_de($1::timestamptz) and p.versao > c.comandos
