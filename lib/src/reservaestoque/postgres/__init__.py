"""PostgreSQL: a pool that survives restarts of the server, queries in .sql files, faults told apart."""

from reservaestoque.postgres.faults import is_transient
from reservaestoque.postgres.pool import Connection, open_pool, reachable
from reservaestoque.postgres.queries import Queries

__all__ = ["Connection", "Queries", "is_transient", "open_pool", "reachable"]
