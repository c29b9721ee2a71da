-- The first statement of a snapshot: it is taken before this clock is read.
select agora()
