-- migrate:up

-- No query compares these columns, and reading their values takes `analyze` CPU time that orders need.
alter table mudanca
    alter pedidos set statistics 0,
    alter clientes set statistics 0,
    alter status set statistics 0,
    alter versoes set statistics 0,
    alter atualizado_em set statistics 0,
    alter expira_em set statistics 0;

-- migrate:down

alter table mudanca
    alter pedidos set statistics default,
    alter clientes set statistics default,
    alter status set statistics default,
    alter versoes set statistics default,
    alter atualizado_em set statistics default,
    alter expira_em set statistics default;
