-- The numbers of reservations that hold, that lapse within a minute, and that have lapsed unswept; up to $1 of each.
select
    (
        select count(*) from (
            select from pedido where status = 'EstoqueReservado' and expira_em > (select agora()) limit $1
        ) live
    ) as live,
    (
        select count(*) from (
            select from pedido
            where status = 'EstoqueReservado' and expira_em > (select agora()) and expira_em <= (select agora()) + interval '1 minute'
            limit $1
        ) soon
    ) as lapsing,
    (
        select count(*) from (
            select from pedido where status = 'EstoqueReservado' and expira_em <= (select agora()) limit $1
        ) already
    ) as lapsed
