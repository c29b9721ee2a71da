-- migrate:up

-- A command that still waits to be published is neither sent again nor given up nor forgotten: finds it.
create index outbox_por_comando on outbox (comando_id);

-- migrate:down

drop index outbox_por_comando;
