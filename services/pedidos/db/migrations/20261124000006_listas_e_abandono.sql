-- migrate:up

-- Lists by any status: of ended orders too, of which there may be few among very many.
create index pedido_por_status on pedido (status, id);
drop index pedido_em_aberto;

-- Read backwards by both columns.
drop index pedido_por_cliente;
create index pedido_por_cliente on pedido (cliente_id, id);

-- An order that seems abandoned is cancelled only while it has this version: it may be renewed at that instant.
alter table comando add column se_versao integer;

-- migrate:down

alter table comando drop column se_versao;
create index pedido_em_aberto on pedido (status, id) where status in ('Criado', 'EstoqueReservado', 'ReservaExpirada');
drop index pedido_por_status;
drop index pedido_por_cliente;
create index pedido_por_cliente on pedido (cliente_id, id desc);
