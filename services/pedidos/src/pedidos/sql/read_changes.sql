-- The orders that changed after the first $3 of the change ($1, $2), at most $4 rows; that change has a row even if
-- none of it is left. Excludes changes at or above the oldest running transaction: an earlier one may still be committed.
-- `m.` in the ORDER BY names the indexed column; without it the name means the output column, which is text.
select m.transacao::text::bigint as transacao, m.id, p.parte, p.pedido_id, p.cliente_id, p.status, p.versao,
    p.atualizado_em, p.expira_em
from mudanca m
left join lateral unnest(m.pedidos, m.clientes, m.status, m.versoes, m.atualizado_em, m.expira_em) with ordinality
        as p (pedido_id, cliente_id, status, versao, atualizado_em, expira_em, parte)
    on (m.transacao, m.id, p.parte) > ($1::text::xid8, $2::bigint, $3::bigint)
where (m.transacao, m.id) >= ($1::text::xid8, $2::bigint)
    and m.transacao < pg_snapshot_xmin(pg_current_snapshot())
order by m.transacao, m.id, p.parte
limit $4
