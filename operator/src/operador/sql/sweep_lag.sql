-- How long the oldest lapsed reservation has been waiting for the sweep.
select sweep_lag()
