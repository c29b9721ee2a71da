-- migrate:up

-- A SKU never changes, so its form is looked at once, not with every unit that is reserved: a check of the table is
-- evaluated at each update.
alter table estoque drop constraint sku_valido;

create function recusar_sku_invalido() returns trigger
language plpgsql as $$
begin
    raise exception 'SKU %: not 1 to 64 letters, digits, ".", "_" and "-" that begin with a letter or a digit', new.sku
        using errcode = 'check_violation';
end $$;

create trigger sku_valido
before insert or update of sku on estoque
for each row when (new.sku !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$')
execute function recusar_sku_invalido();

-- migrate:down

drop trigger sku_valido on estoque;
drop function recusar_sku_invalido();
alter table estoque add constraint sku_valido check (sku ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$');
