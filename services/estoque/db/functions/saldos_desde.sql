-- The operator follows the change log from the position of its last read. Changes at or above the oldest running
-- transaction wait for the next read: an older one may still be committed before them. A SKU that changed several
-- times is returned once, with its current balance. It takes no locks.
--
-- Every row carries the position that the read has reached, and how many changes (`lidas`) it took. If nothing has
-- changed, it returns one row without a SKU. If the log no longer contains `p_transacao, p_mudanca`, it returns no
-- row: changes may have been lost, and the operator compares everything.
create or replace function saldos_desde(p_transacao bigint, p_mudanca bigint, p_parte bigint, p_limite integer)
returns table (
    transacao bigint, mudanca bigint, parte bigint, lidas bigint, sku text, dono text, situacao text, nome text,
    alvo bigint, quantidade bigint, reservado bigint, vendido bigint, disponivel bigint, limite_baixo bigint
)
language sql security definer set search_path = public, pg_temp as $$
    with lida as materialized (
        -- A row stays for the position itself when no change of it is left.
        select m.transacao, m.id, s.sku,
               coalesce(s.parte, case when m.id = p_mudanca then p_parte else 0 end) as parte
        from (
            -- In order before they are taken apart: no more rows are unnested than the limit needs.
            select c.transacao, c.id, c.skus
            from mudanca c
            where (c.transacao, c.id) >= (p_transacao::text::xid8, p_mudanca)
                and c.transacao < pg_snapshot_xmin(pg_current_snapshot())
            order by c.transacao, c.id
            limit p_limite
        ) m
        left join lateral unnest(m.skus) with ordinality as s (sku, parte)
            on (m.transacao, m.id, s.parte) > (p_transacao::text::xid8, p_mudanca, p_parte)
        order by m.transacao, m.id, s.parte
        limit p_limite
    ),
    alcance as (
        select l.transacao, l.id, l.parte, (select count(*) from lida) as lidas
        from lida l
        order by l.transacao desc, l.id desc, l.parte desc
        limit 1
    )
    select a.transacao::text::bigint, a.id, a.parte, a.lidas, s.sku, s.dono, s.situacao, s.nome, s.alvo, s.quantidade,
           s.reservado, s.vendido, s.disponivel, s.limite_baixo
    from alcance a
    left join saldo s on s.sku = any (array(select l.sku from lida l where l.sku is not null))
    where exists (select from lida l where (l.transacao, l.id) = (p_transacao::text::xid8, p_mudanca));
$$;

comment on function saldos_desde is
    'current balances of the SKUs changed after a position of the change log, of up to p_limite changes';

revoke execute on function saldos_desde from public;
grant execute on function saldos_desde to operador;
