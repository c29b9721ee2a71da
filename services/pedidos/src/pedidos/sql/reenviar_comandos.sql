-- Puts unanswered commands into the outbox again, with the same event id, after $2, 2*$2, 4*$2, … and at most $3 apart.
-- Commands older than $4 are given up: estoque may have purged their ids. A command still in the outbox has not been sent
-- at all: it keeps waiting, however long the broker is unavailable.
with devido as materialized (
    select c.id, c.criado_em, c.envios
    from comando c
    where c.reenviar_em <= (select agora())
    order by c.reenviar_em
    limit $1
    for update skip locked
),
na_outbox as materialized (
    select d.id from devido d join (select unnest(o.comandos) as id from outbox o) u on u.id = d.id
),
decidido as (
    select d.id, d.envios,
        case when d.id in (select n.id from na_outbox n) then 'espera'
             when d.criado_em < agora() - $4::interval then 'tarde'
             else 'reenvia' end as destino
    from devido d
),
adiado as (
    update comando c
    set envios = c.envios + (d.destino = 'reenvia')::integer,
        reenviar_em = case when d.destino <> 'tarde'
                           then agora() + least($2::interval * 2 ^ least(d.envios, 20), $3::interval) end
    from decidido d
    where c.id = d.id
    returning c.id, c.pedido_id, d.destino
),
anotado as (
    insert into outbox (quantos, comandos)
    select count(*), array_agg(a.id) from adiado a where a.destino = 'reenvia' having count(*) > 0
    returning id
)
select array_agg(pedido_id) filter (where destino = 'reenvia') as reenviados,
    array_agg(pedido_id) filter (where destino = 'tarde') as abandonados,
    (select id from anotado) as outbox
from adiado
