-- Sweeps up to $1 lapsed reservations and says how many.
select expirar_reservas($1)
