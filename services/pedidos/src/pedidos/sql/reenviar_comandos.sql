-- Puts unanswered commands into the outbox again, same event id, after $2, 2*$2, 4*$2, … and at most $3 apart.
-- Those made longer ago than $4 are given up: estoque may have forgotten whether it has seen them.
with devido as (
    select c.id, c.envios, c.criado_em < agora() - $4::interval as tarde
    from comando c
    where c.reenviar_em <= agora()
    order by c.reenviar_em
    limit $1
    for update skip locked
),
adiado as (
    update comando c
    set envios = c.envios + 1,
        reenviar_em = case when d.tarde then null
                           else agora() + least($2::interval * 2 ^ least(d.envios, 20), $3::interval) end
    from devido d
    where c.id = d.id
    returning c.id, d.tarde
),
anotado as (
    insert into outbox (comando_id) select a.id from adiado a where not a.tarde
)
select count(*) filter (where not tarde) as reenviados, count(*) filter (where tarde) as abandonados from adiado
