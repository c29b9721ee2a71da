-- Lines that their order no longer holds, or that are written again below.
delete from reserva where pedido_id = any ($1::uuid[]) and not vendida
