-- Deletes lines that their order no longer holds, or that the same batch writes again.
delete from reserva where pedido_id = any ($1::uuid[]) and not vendida
