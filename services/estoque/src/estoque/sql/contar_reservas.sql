-- The number of reservations that lapse within a minute, and of lapsed ones not swept yet; up to $1 of each.
select
    (
        select count(*) from (
            select from pedido
            where status = 'EstoqueReservado' and expira_em > agora() and expira_em <= agora() + interval '1 minute'
            limit $1
        ) logo
    ) as lapsing,
    (
        select count(*) from (
            select from pedido where status = 'EstoqueReservado' and expira_em <= agora() limit $1
        ) ja
    ) as lapsed
