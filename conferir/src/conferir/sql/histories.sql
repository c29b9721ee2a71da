-- Orders created since $1 with more versions than commands: each extra version must be a lapse. The creation counts as a
-- command. Others are created later than their order, by a process whose clock may be slightly behind.
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
    where id >= uuidv7_floor($1::timestamptz - interval '1 minute')
    group by pedido_id
) c on c.pedido_id = p.id
where p.id >= uuidv7_floor($1::timestamptz) and p.versao > 1 + coalesce(c.commands, 0)
