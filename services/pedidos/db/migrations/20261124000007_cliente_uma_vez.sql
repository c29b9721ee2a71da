-- migrate:up

-- An order's customer never changes, so the form is looked at once: a check of the table is evaluated at each update.
alter table pedido drop constraint cliente_valido;

create function recusar_cliente_invalido() returns trigger
language plpgsql as $$
begin
    raise exception 'customer %: not 1 to 128 printable ASCII characters', new.cliente_id
        using errcode = 'check_violation';
end $$;

create trigger cliente_valido
before insert or update of cliente_id on pedido
for each row when (new.cliente_id !~ '^[\x20-\x7e]{1,128}$')
execute function recusar_cliente_invalido();

-- migrate:down

drop trigger cliente_valido on pedido;
drop function recusar_cliente_invalido();
alter table pedido add constraint cliente_valido check (cliente_id ~ '^[\x20-\x7e]{1,128}$');
