-- What was answered to events that come again.
select evento_id, recusa from inbox where evento_id = any ($1::uuid[])
