-- Forgets event ids received before $1, at most $2 of them.
delete from inbox
where evento_id in (select evento_id from inbox where recebido_em < $1 limit $2 for update skip locked)
returning 1
