-- Triggers on the table log every change of a balance, regardless of its source: batches, the sweep, the operator, manual
-- SQL. It locks nothing: a log entry is an insert, ordered by its transaction.
--
-- A session plans these queries once, for the number of rows of its first statement. If that changed one row, a nested
-- loop would join the thousands of rows of later statements in quadratic time.
create or replace function log_changed_skus() returns trigger
language plpgsql set search_path = public, pg_temp set enable_nestloop = off as $$
declare
    v_skus text[];
begin
    case tg_op
        when 'INSERT' then
            select array_agg(n.sku order by n.sku) into v_skus from new_rows n;
        when 'DELETE' then
            select array_agg(o.sku order by o.sku) into v_skus from old_rows o;
        else
            -- Only the columns that customers see; `quantidade` and `disponivel` follow from these.
            select array_agg(n.sku order by n.sku) into v_skus
            from new_rows n
            join old_rows o on o.sku = n.sku
            where (n.nome, n.alvo, n.reservado, n.vendido, n.situacao = 'Encerrado')
                is distinct from (o.nome, o.alvo, o.reservado, o.vendido, o.situacao = 'Encerrado');
    end case;
    if v_skus is not null then
        insert into mudanca (skus) values (v_skus);
    end if;
    return null;
end $$;

comment on function log_changed_skus is 'trigger: logs the SKUs whose visible balance a statement changed, in one row';
