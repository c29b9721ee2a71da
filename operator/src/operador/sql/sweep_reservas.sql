-- Sweeps up to $1 lapsed reservations and returns how many it swept.
select sweep_reservas($1)
