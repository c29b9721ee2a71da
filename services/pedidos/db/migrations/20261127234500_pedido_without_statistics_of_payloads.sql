-- migrate:up

-- No query compares these columns, and reading their values takes `analyze` CPU time that orders need.
alter table pedido
    alter itens set statistics 0,
    alter itens_em_falta set statistics 0,
    alter traceparent set statistics 0;

-- migrate:down

alter table pedido
    alter itens set statistics default,
    alter itens_em_falta set statistics default,
    alter traceparent set statistics default;
