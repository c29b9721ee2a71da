-- The instant by the database's clock.
select now()
