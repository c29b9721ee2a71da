-- Some orders with their commands. Reads all commands: only for what looks wrong.
select p.id, p.status, p.versao, c.comandos, c.reservas, c.fechamentos
from pedido p
join (
    select pedido_id,
           count(*) as comandos,
           count(*) filter (where recusa is null and tipo in ('PedidoCriado', 'ReservarPedido')) as reservas,
           count(*) filter (where recusa is null and tipo = 'FecharPedido') as fechamentos
    from comando
    where pedido_id = any ($1::uuid[])
    group by pedido_id
) c on c.pedido_id = p.id
where p.criado_em >= $2::timestamptz
