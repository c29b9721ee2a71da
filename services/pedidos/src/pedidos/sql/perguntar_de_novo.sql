-- Republishes commands whose answer was a reservation that must have lapsed since: estoque repeats its current snapshot.
-- At most $1 of them, at doubling intervals. It stops $2 after the lapse, or once the command is older than $3, because
-- estoque refuses a command whose id it may have purged. A command already in the outbox is not put there twice.
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
select count(*) filter (where destino = 'pergunta') as perguntados,
    array_agg(id) filter (where destino = 'tarde') as abandonados
from devido
