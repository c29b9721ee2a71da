"""Simulation of the whole order path: the real handlers and SQL on a real PostgreSQL, everything else from a seed.

The bus is in memory and drops, duplicates, reorders and delays messages. Every party can die, or lose its connection,
between any two statements, around a commit, a publication and an acknowledgement. Time stands still unless the seed
moves it. One party moves at a time, one statement at a time, so the same seed produces the same history.

How it fits together: `world` decides which party moves and which faults it meets; `database` and `network` replace
the parties' connection pool and broker; `parties` are the parties, which run the services' own code; `judge` checks
every commit against `model`, a pure model of orders and stock; `seed` runs one seed from beginning to end.
"""
