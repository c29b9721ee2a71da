-- Lines that their order holds no longer, or that are written anew below.
delete from reserva where pedido_id = any ($1::uuid[]) and not vendida
