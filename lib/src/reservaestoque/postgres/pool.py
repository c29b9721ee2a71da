"""The connection pool of a program."""

import asyncio
from typing import Any

import asyncpg

from reservaestoque.postgres.faults import is_transient
from reservaestoque.telemetry import logger

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_log = logger(__name__)


class _Clean(asyncpg.Connection):  # type: ignore[misc]
    """Nothing of ours changes a session, so nothing is to be reset when it goes back to the pool: a round trip less.

    A transaction that is still open is rolled back all the same.
    """

    __slots__ = ()

    def get_reset_query(self) -> str:
        return ""


async def open_pool(
    database_url: str, *, program: str, size: int, command_timeout: float = 30.0, read_only: bool = False
) -> "asyncpg.Pool[Any]":
    """A pool of at most `size` connections, opened as they are needed: a server that is down is no error.

    `command_timeout` is in seconds and bounds every statement. A connection that breaks is replaced when it
    is next asked for. `read_only` makes the server refuse every write.
    """
    return await asyncpg.create_pool(
        database_url,
        min_size=0,
        max_size=size,
        timeout=5.0,
        command_timeout=command_timeout,
        connection_class=_Clean,
        server_settings={
            "application_name": program,
            "timezone": "UTC",
            # A transaction whose client vanished must not hold stock rows; a long snapshot holds none.
            "idle_in_transaction_session_timeout": "3600000" if read_only else "60000",
            "tcp_user_timeout": "10000",
            # Planned for the arrays that there are, and for tables as large as they are now. A generic plan supposes
            # ten elements; one made while a table was nearly empty reads all of it, long after it has grown.
            "plan_cache_mode": "force_custom_plan",
            "default_transaction_read_only": "on" if read_only else "off",
            # Who only reads walks through tables by key. Where one key has nearly all the rows PostgreSQL takes every
            # key for such a one, and would read the whole table for each.
            "enable_seqscan": "off" if read_only else "on",
        },
    )


async def reachable(pool: "asyncpg.Pool[Any]") -> bool:
    """Whether the database answers a trivial query within two seconds."""
    try:
        async with asyncio.timeout(2.0), pool.acquire() as connection:
            await connection.fetchval("select 1")
    except Exception as fault:
        if not is_transient(fault):
            raise
        _log.warning("database_unreachable", fault=repr(fault))
        return False
    return True
