-- A transaction that is still running may commit a change older than those that are visible already. So the position is
-- taken below the oldest running transaction: whatever commits later has a higher transaction id. It takes no locks.
create or replace function newest_change()
returns table (transacao bigint, mudanca bigint, parte bigint)
language sql security definer set search_path = public, pg_temp as $$
    select m.transacao::text::bigint, m.id, cardinality(m.skus)::bigint
    from mudanca m
    where m.transacao < pg_snapshot_xmin(pg_current_snapshot())
    order by m.transacao desc, m.id desc
    limit 1;
$$;

comment on function newest_change is
    'the newest position in the change log of SKUs before which nothing can be committed any more';

revoke execute on function newest_change from public;
grant execute on function newest_change to operador, estoque_runtime;
