-- Republishes commands whose answer was a reservation that must have lapsed since: estoque repeats its current snapshot.
-- At most $1 of them, at doubling intervals. It stops $2 after the lapse, or once the command is older than $3, because
-- estoque refuses a command whose id it may have purged. A command already in the outbox is not put there twice.
with due as materialized (
    select p.id, p.causa, p.expira_em, case when p.causa = p.id then p.criado_em else c.criado_em end as criado_em
    from pedido p
    left join comando c on c.id = p.causa
    where p.perguntar_em <= (select agora()) and p.versao > 0
    order by p.perguntar_em
    limit $1
    for update of p skip locked
),
in_outbox as materialized (
    select d.causa from due d join (select unnest(o.comandos) as id from outbox o) u on u.id = d.causa
),
planned as (
    select d.id, d.causa, d.expira_em,
        case when d.causa in (select o.causa from in_outbox o) then 'wait'
             when d.criado_em is null or d.expira_em < agora() - $2::interval or d.criado_em < agora() - $3::interval
                 then 'give_up'
             else 'ask' end as action
    from due d
),
postponed as (
    update pedido p
    set perguntar_em = case when planned.action <> 'give_up' then agora() + (agora() - p.expira_em) end
    from planned
    where p.id = planned.id
),
recorded as (
    insert into outbox (quantos, comandos)
    select count(*), array_agg(causa) from planned where action = 'ask' having count(*) > 0
    returning id
)
select count(*) filter (where action = 'ask') as asked,
    array_agg(id) filter (where action = 'give_up') as given_up,
    (select id from recorded) as outbox
from planned
