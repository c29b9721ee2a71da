-- Records the reasons for which events had no effect: the answers when they are redelivered.
update inbox i set recusa = r.recusa
from unnest($1::uuid[], $2::text[]) as r (evento_id, recusa)
where i.evento_id = r.evento_id
