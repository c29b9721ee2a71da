-- The operator follows the change log from the position of its last read. Changes at or above the oldest running
-- transaction wait for the next read: an older one may still be committed before them. A SKU that changed several
-- times is returned once, with its current balance. It takes no locks.
--
-- Every row carries the position that the read has reached, and how many changes (`changes_read`) it took. If nothing has
-- changed, it returns one row without a SKU. If the log no longer contains `p_transacao, p_mudanca`, it returns no
-- row: changes may have been lost, and the operator compares everything.
create or replace function saldos_since(p_transacao bigint, p_mudanca bigint, p_parte bigint, p_limit integer)
returns table (
    transacao bigint, mudanca bigint, parte bigint, changes_read bigint, sku text, dono text, situacao text, nome text,
    alvo bigint, quantidade bigint, reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint
)
language sql security definer set search_path = public, pg_temp as $$
    with entry as materialized (
        -- Keeps a row for the position itself when none of its changes is left.
        select m.transacao, m.id, s.sku,
               coalesce(s.parte, case when m.id = p_mudanca then p_parte else 0 end) as parte
        from (
            -- Sorted before they are unnested, so that no more rows are unnested than the limit needs.
            select m.transacao, m.id, m.skus
            from mudanca m
            where (m.transacao, m.id) >= (p_transacao::text::xid8, p_mudanca)
                and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
            order by m.transacao, m.id
            limit p_limit
        ) m
        left join lateral unnest(m.skus) with ordinality as s (sku, parte)
            on (m.transacao, m.id, s.parte) > (p_transacao::text::xid8, p_mudanca, p_parte)
        order by m.transacao, m.id, s.parte
        limit p_limit
    ),
    reached as (
        select e.transacao, e.id, e.parte, (select count(*) from entry) as changes_read
        from entry e
        order by e.transacao desc, e.id desc, e.parte desc
        limit 1
    )
    select r.transacao::text::bigint, r.id, r.parte, r.changes_read, s.sku, s.dono, s.situacao, s.nome, s.alvo,
           s.quantidade, s.reservado, s.vendido, s.disponivel, s.limite_baixo
    from reached r
    left join saldo s on s.sku = any (array(select e.sku from entry e where e.sku is not null))
    where exists (select from entry e where (e.transacao, e.id) = (p_transacao::text::xid8, p_mudanca));
$$;

comment on function saldos_since is
    'current balances of the SKUs changed after a position of the change log, of up to p_limit changes';

revoke execute on function saldos_since from public;
grant execute on function saldos_since to operador;
