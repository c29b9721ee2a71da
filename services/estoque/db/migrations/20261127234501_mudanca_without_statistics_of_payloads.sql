-- migrate:up

-- No query compares these columns, and reading their values takes `analyze` CPU time that orders need.
alter table mudanca
    alter skus set statistics 0;

-- migrate:down

alter table mudanca
    alter skus set statistics default;
