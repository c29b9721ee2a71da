-- The answers that redelivered events received the first time.
select evento_id, recusa from inbox where evento_id = any ($1::uuid[])
