-- A trigger on insert and on changes of `cliente_id`, not a check constraint: a check is evaluated at every update of the
-- row, and the customer of an order never changes.
create or replace function reject_invalid_cliente() returns trigger
language plpgsql as $$
begin
    raise exception 'customer %: not 1 to 128 printable ASCII characters', new.cliente_id
        using errcode = 'check_violation';
end $$;

comment on function reject_invalid_cliente is 'trigger: rejects a malformed customer id';
