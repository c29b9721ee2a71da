-- migrate:up

-- Keys are found by their age. A row's entry goes to the right end, so this costs little; the ranges of the index that it
-- replaces only widened as space was used again, until a step of the purge read the whole table.
create index idempotencia_por_instante on idempotencia (criado_em);
drop index idempotencia_por_idade;

-- Whether something is being asked of an order that seems abandoned. New orders, the most of all commands, stay out of it.
create index comando_em_aberto on comando (pedido_id) where reenviar_em is not null and tipo <> 'PedidoCriado';

-- migrate:down

drop index comando_em_aberto;
create index idempotencia_por_idade on idempotencia using brin (criado_em);
drop index idempotencia_por_instante;
