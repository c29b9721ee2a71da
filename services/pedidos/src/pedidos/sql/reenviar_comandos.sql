-- Puts unanswered commands into the outbox again, with the same event id, after $2, 2*$2, 4*$2, … and at most $3 apart.
-- Commands older than $4 are given up: estoque may have purged their ids. A command still in the outbox has not been sent
-- at all: it keeps waiting, however long the broker is unavailable.
with devido as (
    select c.id, c.envios,
        case when exists (select from outbox o where o.comando_id = c.id) then 'espera'
             when c.criado_em < agora() - $4::interval then 'tarde'
             else 'reenvia' end as destino
    from comando c
    where c.reenviar_em <= (select agora())
    order by c.reenviar_em
    limit $1
    for update skip locked
),
adiado as (
    update comando c
    set envios = c.envios + (d.destino = 'reenvia')::integer,
        reenviar_em = case when d.destino <> 'tarde'
                           then agora() + least($2::interval * 2 ^ least(d.envios, 20), $3::interval) end
    from devido d
    where c.id = d.id
    returning c.id, c.pedido_id, d.destino
),
anotado as (
    insert into outbox (comando_id) select a.id from adiado a where a.destino = 'reenvia'
)
select array_agg(pedido_id) filter (where destino = 'reenvia') as reenviados,
    array_agg(pedido_id) filter (where destino = 'tarde') as abandonados
from adiado
