-- Takes the ticket with the hash $1: of several replicas that try at once, one gets the row.
delete from bilhete
where resumo = $1
returning cliente_id, escopos, expira_em > agora() as vale
