-- A transaction that is still running may commit a change older than those that are visible already. So the position is
-- taken below the oldest running transaction: whatever commits later has a higher transaction id. It takes no locks.
create or replace function posicao_das_mudancas()
returns table (transacao bigint, mudanca bigint, parte bigint)
language sql security definer set search_path = public, pg_temp as $$
    select m.transacao::text::bigint, m.id, cardinality(m.skus)::bigint
    from mudanca m
    where m.transacao < pg_snapshot_xmin(pg_current_snapshot())
    order by m.transacao desc, m.id desc
    limit 1;
$$;

comment on function posicao_das_mudancas is
    'the newest position in the change log of SKUs before which nothing can be committed any more';

revoke execute on function posicao_das_mudancas from public;
grant execute on function posicao_das_mudancas to operador;
