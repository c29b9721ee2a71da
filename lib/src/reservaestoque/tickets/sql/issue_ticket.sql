-- Stores the hash $1 of a ticket for the customer $2 with the scopes $3, valid for $4.
insert into bilhete (resumo, cliente_id, escopos, expira_em)
values ($1, $2, $3, agora() + $4::interval)
returning expira_em
