-- Orders by id, with their commands. Scans every command, so use it for suspects only.
select p.id, p.status, p.versao, c.commands, c.reservas, c.closes
from pedido p
join (
    select pedido_id,
           count(*) as commands,
           count(*) filter (where recusa is null and tipo in ('PedidoCriado', 'ReservarPedido')) as reservas,
           count(*) filter (where recusa is null and tipo = 'FecharPedido') as closes
    from comando
    where pedido_id = any ($1::uuid[])
    group by pedido_id
) c on c.pedido_id = p.id
where p.criado_em >= $2::timestamptz
