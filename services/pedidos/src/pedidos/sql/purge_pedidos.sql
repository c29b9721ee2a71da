-- Examines the next $2 orders after $3 that are older than $1, and purges those that also ended before $1.
with seen as materialized (
    select p.id, p.ctid as tid
    from pedido p
    where p.id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000') and p.id < uuidv7_floor($1)
    order by p.id
    limit $2
),
deleted as (
    delete from pedido
    where ctid = any (array(
        select p.ctid from pedido p
        where p.ctid = any (array(select s.tid from seen s)) and p.atualizado_em < $1
            and p.status in ('Fechado', 'Cancelado', 'EstoqueNaoDisponivel')
        for update skip locked
    ))
    returning 1
)
select (select count(*) from seen) as seen, (select count(*) from deleted) as purged,
    (select s.id from seen s order by s.id desc limit 1) as last
