-- Notes the answers to commands whose orders are under our lock; returns the orders of those that waited for one.
update comando c
set respondido_em = agora(), reenviar_em = null, recusa = r.recusa
from unnest($1::uuid[], $2::text[]) as r (id, recusa)
where c.id = r.id and c.respondido_em is null
returning c.pedido_id
