-- The newest position in the change log before which nothing can be committed any more.
select transacao, mudanca, parte from newest_change()
