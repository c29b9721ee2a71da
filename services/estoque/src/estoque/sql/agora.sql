-- This database's clock.
select agora()
