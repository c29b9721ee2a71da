-- The time for which the oldest lapsed reservation has been waiting for the sweep.
select sweep_lag()
