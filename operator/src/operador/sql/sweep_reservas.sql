-- Sweeps up to $1 lapsed reservations and returns their number.
select sweep_reservas($1)
