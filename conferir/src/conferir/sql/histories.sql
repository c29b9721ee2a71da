-- Orders created since $1 with more versions than commands: each extra version must be a lapse. A command is created
-- with its order or later, by a process whose clock may be slightly behind.
select p.id, p.status, p.versao, c.commands, c.reservas, c.closes
from pedido p
join (
    select pedido_id,
           count(*) as commands,
           count(*) filter (where recusa is null and tipo in ('PedidoCriado', 'ReservarPedido')) as reservas,
           count(*) filter (where recusa is null and tipo = 'FecharPedido') as closes
    from comando
    where id >= uuid_de($1::timestamptz - interval '1 minute')
    group by pedido_id
) c on c.pedido_id = p.id
where p.id >= uuid_de($1::timestamptz) and p.versao > c.commands
