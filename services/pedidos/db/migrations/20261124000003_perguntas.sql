-- migrate:up

-- The sweep of a reservation answers no command, so no command without an answer tells that word of it was lost.
-- An order that should have lapsed some time ago is therefore asked about: the command that its snapshot answers
-- (`causa`) is published again, and estoque repeats the present snapshot.
alter table pedido add column causa uuid;
alter table pedido add column perguntar_em timestamptz;

create index pedido_a_perguntar on pedido (perguntar_em) where perguntar_em is not null;

-- migrate:down

drop index pedido_a_perguntar;
alter table pedido drop column perguntar_em;
alter table pedido drop column causa;
