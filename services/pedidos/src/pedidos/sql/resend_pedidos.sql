-- Puts undecided orders into the outbox again, with the same event id, $2 after their creation and then whenever their age
-- has doubled, but at most $3 apart. Orders older than $4 are given up: estoque may have purged their ids. An order still
-- in the outbox has not been sent at all: it keeps waiting, however long the broker is unavailable. The range covers both
-- columns, because a plan for a single status may scan the whole index for a rare one.
with due as materialized (
    select p.id, p.criado_em
    from pedido p
    where (p.status, p.id) >= ('Criado', '00000000-0000-0000-0000-000000000000')
        and (p.status, p.id) <= ('Criado', 'ffffffff-ffff-ffff-ffff-ffffffffffff')
        and p.perguntar_em <= (select agora())
    order by p.status, p.id
    limit $1
    for update skip locked
),
in_outbox as materialized (
    select d.id from due d join (select unnest(o.comandos) as id from outbox o) u on u.id = d.id
),
planned as (
    select d.id, d.criado_em,
        case when d.id in (select o.id from in_outbox o) then 'wait'
             when d.criado_em < agora() - $4::interval then 'give_up'
             else 'resend' end as action
    from due d
),
postponed as (
    update pedido p
    set perguntar_em = case planned.action
        when 'wait' then agora() + $2::interval
        when 'resend' then agora() + least(greatest(agora() - planned.criado_em, $2), $3::interval) end
    from planned
    where p.id = planned.id
),
recorded as (
    insert into outbox (quantos, comandos)
    select count(*), array_agg(id) from planned where action = 'resend' having count(*) > 0
    returning id
)
select array_agg(id) filter (where action = 'resend') as resent,
    array_agg(id) filter (where action = 'give_up') as given_up,
    (select id from recorded) as outbox
from planned
