"""PostgreSQL: pools that survive restarts, reads that leave them to others, queries in .sql files, faults told
apart.
"""

from reservaestoque.postgres.faults import CrowdedError, is_transient
from reservaestoque.postgres.loader import Loader
from reservaestoque.postgres.pool import Connection, open_pool, reachable
from reservaestoque.postgres.queries import Queries
from reservaestoque.postgres.reader import READ_SECONDS, Reader

__all__ = [
    "READ_SECONDS",
    "Connection",
    "CrowdedError",
    "Loader",
    "Queries",
    "Reader",
    "is_transient",
    "open_pool",
    "reachable",
]
