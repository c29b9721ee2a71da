-- Locks the orders that a batch of snapshots is about, by id, so that two replicas cannot wait for each other.
select id, versao from pedido where id = any ($1::uuid[]) order by id for no key update
