-- Examines the next $2 orders after $3 that are older than $1, and purges those that also ended before $1.
with visto as materialized (
    select p.id, p.ctid as lugar
    from pedido p
    where p.id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000') and p.id < uuid_de($1)
    order by p.id
    limit $2
),
apagado as (
    delete from pedido
    where ctid = any (array(
        select p.ctid from pedido p
        where p.ctid = any (array(select v.lugar from visto v)) and p.atualizado_em < $1
            and p.status in ('Fechado', 'Cancelado', 'EstoqueNaoDisponivel')
        for update skip locked
    ))
    returning 1
)
select (select count(*) from visto) as seen, (select count(*) from apagado) as purged,
    (select v.id from visto v order by v.id desc limit 1) as last
