"""PostgreSQL: pools that survive restarts and fail-overs, reads that leave connections for others, queries in .sql
files, faults classified.
"""

from reservaestoque.postgres.faults import CrowdedError, blames_server, is_contended, is_transient
from reservaestoque.postgres.hosts import Connector
from reservaestoque.postgres.loader import Loader
from reservaestoque.postgres.pool import Connection, Pool, Readiness, open_pool, reachable
from reservaestoque.postgres.queries import Queries
from reservaestoque.postgres.reader import READ_SECONDS, Reader
from reservaestoque.postgres.watch import ServerWatch

__all__ = [
    "READ_SECONDS",
    "Connection",
    "Connector",
    "CrowdedError",
    "Loader",
    "Pool",
    "Queries",
    "Reader",
    "Readiness",
    "ServerWatch",
    "blames_server",
    "is_contended",
    "is_transient",
    "open_pool",
    "reachable",
]
