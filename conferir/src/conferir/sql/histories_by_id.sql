-- Orders by id, with their commands. Scans every command, so use it for suspects only.
select p.id, p.status, p.versao, 1 + coalesce(c.commands, 0) as commands,
    coalesce(c.reservas, 0) + (c.overtaken is not true)::integer as reservas, coalesce(c.closes, 0) as closes
from pedido p
left join (
    select pedido_id,
           count(*) filter (where id <> pedido_id) as commands,
           count(*) filter (where recusa is null and tipo = 'ReservarPedido') as reservas,
           count(*) filter (where recusa is null and tipo = 'FecharPedido') as closes,
           bool_or(id = pedido_id and recusa is not null) as overtaken
    from comando
    where pedido_id = any ($1::uuid[])
    group by pedido_id
) c on c.pedido_id = p.id
where p.id = any ($1) and p.criado_em >= $2::timestamptz
