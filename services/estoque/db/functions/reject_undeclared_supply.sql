-- The last line of defence against overselling. The checks of `estoque` bound what is committed by the supply; this
-- trigger keeps the supply itself from growing beyond what a StockItem declares.
create or replace function reject_undeclared_supply() returns trigger
language plpgsql as $$
begin
    raise exception 'SKU %: supply may not grow from % to % when % units are declared',
        new.sku, old.quantidade, new.quantidade, new.alvo using errcode = 'check_violation';
end $$;

comment on function reject_undeclared_supply is
    'trigger: rejects an update that increases the supply of a SKU beyond the declared supply';
