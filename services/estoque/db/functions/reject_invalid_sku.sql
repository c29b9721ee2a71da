-- A trigger on insert and on changes of `sku`, not a check constraint: a check is evaluated at every update of the row,
-- and counters change with every order while a SKU never does.
create or replace function reject_invalid_sku() returns trigger
language plpgsql as $$
begin
    raise exception 'SKU %: not 1 to 64 letters, digits, ".", "_" and "-" that begin with a letter or a digit', new.sku
        using errcode = 'check_violation';
end $$;

comment on function reject_invalid_sku is 'trigger: rejects a malformed SKU';
