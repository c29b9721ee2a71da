-- Purges ended orders. Their sold units stay sold: the sum of their lines moves into `estoque.arquivado`.
--
-- It follows the one lock order, orders by id and then stock rows by SKU. It skips a locked order, which a later
-- round finds. It waits for stock rows: `arquivado` must change together with the lines that it replaces.
create or replace function purge_pedidos(p_before timestamptz, p_limit integer, p_after uuid)
returns table (seen integer, purged integer, last uuid)
language plpgsql set search_path = public, pg_temp as $$
declare
    v_seen uuid[];
    v_pedidos uuid[];
begin
    select array_agg(t.id order by t.id) into v_seen from (
        select p.id from pedido p
        where p.id > coalesce(p_after, '00000000-0000-0000-0000-000000000000') and p.id < uuidv7_floor(p_before)
        order by p.id
        limit p_limit
    ) t;

    select array_agg(t.id) into v_pedidos from (
        select p.id from pedido p
        where p.id = any (v_seen) and p.atualizado_em < p_before
            and p.status in ('Fechado', 'Cancelado', 'EstoqueNaoDisponivel')
        order by p.id
        for update skip locked
    ) t;

    if v_pedidos is not null then
        perform 1 from estoque e
        where e.sku in (select r.sku from reserva r where r.pedido_id = any (v_pedidos))
        order by e.sku
        for no key update;

        with deleted as (
            delete from reserva r where r.pedido_id = any (v_pedidos) returning r.sku, r.quantidade
        ),
        archived as (
            select d.sku, sum(d.quantidade) as vendido from deleted d group by d.sku
        )
        update estoque e set arquivado = e.arquivado + a.vendido from archived a where e.sku = a.sku;

        delete from pedido p where p.id = any (v_pedidos);
    end if;

    return query
    select coalesce(cardinality(v_seen), 0), coalesce(cardinality(v_pedidos), 0), v_seen[cardinality(v_seen)];
end $$;

comment on function purge_pedidos is
    'examines the next p_limit orders after p_after (null: from the first) that are older than p_before, and purges '
    'those that also ended before it; returns the numbers of orders seen and purged, and the id of the last one seen';

revoke execute on function purge_pedidos from public;
grant execute on function purge_pedidos to estoque_runtime;
