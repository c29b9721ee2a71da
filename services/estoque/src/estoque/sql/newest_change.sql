-- Where a new stream begins: the newest change before which nothing can be committed any more.
select transacao, mudanca as id, parte as parts from newest_change()
