-- Examines the next $2 orders after $3 with status $4 that are older than $1, and returns those without a pending command
-- whose reservation, as far as pedidos knows, also ended before $1. The range covers both columns, because a plan for a
-- single status may scan the whole index for a rare one.
with seen as materialized (
    select p.id, p.ctid as tid
    from pedido p
    where (p.status, p.id) > ($4, coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
        and (p.status, p.id) < ($4, uuidv7_floor($1))
    order by p.status, p.id
    limit $2
),
lapsed as (
    select p.id, p.cliente_id, p.versao
    from pedido p
    where p.ctid = any (array(select s.tid from seen s)) and coalesce(p.expira_em, p.atualizado_em) < $1
        and not exists (
            select from comando c
            where c.pedido_id = p.id and c.reenviar_em is not null
        )
    order by p.id
)
select (select count(*) from seen) as seen, (select s.id from seen s order by s.id desc limit 1) as last,
    array_agg(l.id) as ids, array_agg(l.cliente_id) as clientes, array_agg(l.versao) as versoes
from lapsed l
