-- migrate:up

create table bilhete (
    resumo     bytea primary key,
    cliente_id text,
    escopos    text[] not null,
    expira_em  timestamptz not null
);

comment on table bilhete is 'tickets for event streams that have been issued and not used';
comment on column bilhete.resumo is 'SHA-256 of the ticket, which itself is stored nowhere';
comment on column bilhete.cliente_id is 'whom it was issued to; null if the service did not ask';

create index bilhete_por_fim on bilhete (expira_em);

-- migrate:down

drop table bilhete;
