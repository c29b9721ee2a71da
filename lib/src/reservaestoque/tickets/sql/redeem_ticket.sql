-- Redeems the ticket with the hash $1: of several concurrent attempts, only one gets the row.
delete from bilhete
where resumo = $1
returning cliente_id, escopos, expira_em > agora() as valid
