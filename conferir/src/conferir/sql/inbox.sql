-- estoque's answers to these events.
select evento_id, recusa from inbox where evento_id = any ($1::uuid[])
