"""Simulation of the whole order path: the real handlers and SQL on a real PostgreSQL, everything else from a seed.

The bus is in memory and drops, duplicates, reorders and delays; every party can die, or lose its connection, between
any two statements, around a commit, a publication and an acknowledgement; time stands still unless the seed moves
it. One party moves at a time, one statement at a time, so the same seed makes the same history.

How it hangs together: `world` decides who moves and what befalls them; `database` and `network` are what parties hold
instead of a connection pool and a broker; `parties` are the parties, which run the services' own code; `judge` holds
every commit against `model`, a pure model of orders and stock; `seed` runs one seed from beginning to end.
"""
