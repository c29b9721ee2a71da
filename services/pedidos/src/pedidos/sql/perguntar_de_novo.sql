-- Publishes again the commands whose answers were reservations that must have lapsed meanwhile: estoque repeats its
-- present snapshot. At most $1 of them, each again after twice the time. It is asked until $2 after the lapse, and only
-- with a command made no longer ago than $3: estoque would refuse it, since it may have forgotten whether it has seen it.
-- What waits in the outbox already is not put there twice.
with devido as (
    select p.id, c.id as comando_id,
        case when exists (select from outbox o where o.comando_id = c.id) then 'espera'
             when c.criado_em is null or p.expira_em < agora() - $2::interval or c.criado_em < agora() - $3::interval
                 then 'tarde'
             else 'pergunta' end as destino
    from pedido p
    left join comando c on c.id = p.causa
    where p.perguntar_em <= (select agora())
    order by p.perguntar_em
    limit $1
    for update of p skip locked
),
adiado as (
    update pedido p
    set perguntar_em = case when d.destino <> 'tarde' then agora() + (agora() - p.expira_em) end
    from devido d
    where p.id = d.id
),
anotado as (
    insert into outbox (comando_id) select d.comando_id from devido d where d.destino = 'pergunta'
)
select count(*) filter (where destino = 'pergunta') as perguntados, count(*) filter (where destino = 'tarde') as abandonados
from devido
