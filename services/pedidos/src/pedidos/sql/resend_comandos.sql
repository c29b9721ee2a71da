-- Puts unanswered commands into the outbox again, with the same event id, after $2, 2*$2, 4*$2, … and at most $3 apart.
-- Commands older than $4 are given up: estoque may have purged their ids. A command still in the outbox has not been sent
-- at all: it keeps waiting, however long the broker is unavailable.
with due as materialized (
    select c.id, c.criado_em, c.envios
    from comando c
    where c.reenviar_em <= (select agora())
    order by c.reenviar_em
    limit $1
    for update skip locked
),
in_outbox as materialized (
    select d.id from due d join (select unnest(o.comandos) as id from outbox o) u on u.id = d.id
),
planned as (
    select d.id, d.envios,
        case when d.id in (select o.id from in_outbox o) then 'wait'
             when d.criado_em < agora() - $4::interval then 'give_up'
             else 'resend' end as action
    from due d
),
postponed as (
    update comando c
    set envios = c.envios + (planned.action = 'resend')::integer,
        reenviar_em = case when planned.action <> 'give_up'
                           then agora() + least($2::interval * 2 ^ least(planned.envios, 20), $3::interval) end
    from planned
    where c.id = planned.id
    returning c.id, c.pedido_id, planned.action
),
recorded as (
    insert into outbox (quantos, comandos)
    select count(*), array_agg(id) from postponed where action = 'resend' having count(*) > 0
    returning id
)
select array_agg(pedido_id) filter (where action = 'resend') as resent,
    array_agg(pedido_id) filter (where action = 'give_up') as given_up,
    (select id from recorded) as outbox
from postponed
