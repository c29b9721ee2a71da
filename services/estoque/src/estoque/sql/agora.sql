-- The instant of a decision, read once the locks are held.
select agora()
