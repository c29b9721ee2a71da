-- migrate:up

alter table pedido add column criacao uuid;

comment on column pedido.criacao is
    'the event that created it, if it was reserved without a decision; the ids of all other events are in the inbox';

-- conferir proves that each command was applied.
grant select (criacao) on pedido to conferente;

-- migrate:down

alter table pedido drop column criacao;
