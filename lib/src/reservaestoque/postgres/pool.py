"""The connection pools of a program."""

import asyncio
import time
from types import TracebackType

import asyncpg
from asyncpg.pool import PoolAcquireContext
from prometheus_client import Histogram

from reservaestoque.postgres.connection import BoundedConnection
from reservaestoque.postgres.faults import blames_server, is_transient
from reservaestoque.postgres.hosts import Connector
from reservaestoque.postgres.metrics import pool_wait, pools
from reservaestoque.postgres.traced import trace_statements
from reservaestoque.telemetry import logger

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

STATEMENT_SECONDS = 5.0
LOCK_SECONDS = 1.0
READER_LOCK_SECONDS = 30.0
"""A reader waits only for table locks, behind a migration, and blocks no order."""
IDLE_SECONDS = 3.0
"""Our transactions pause for milliseconds between two statements. One that pauses for seconds belongs to a process
that is frozen or gone, and holds rows that others need.
"""
_HEALTH_SECONDS = 2.0
_LONG_SNAPSHOT = 3600.0

_log = logger(__name__)


class Pool(asyncpg.Pool):  # type: ignore[misc]
    """A pool that does not hand out connections to a server that should no longer be used.

    A fault that blames the server (`blames_server`) closes all connections, since they lead to the same server.
    `wait` observes how long callers wait for a connection.
    """

    wait: Histogram

    async def drop_connections(self) -> None:
        """Closes the open connections: idle ones at once, those in use when they are returned."""
        await self.expire_connections()
        for holder in self._holders:
            if holder.is_idle():
                holder.terminate()

    def acquire(self, *, timeout: float | None = None) -> "_Acquired":
        """Like asyncpg's; reports how long the caller waited."""
        return _Acquired(self, timeout)


class _Acquired(PoolAcquireContext):  # type: ignore[misc]
    __slots__ = ()

    async def __aenter__(self) -> asyncpg.pool.PoolConnectionProxy:
        began = time.perf_counter()
        connection = await super().__aenter__()
        self.pool.wait.observe(time.perf_counter() - began)
        return connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        fault: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if fault is not None and blames_server(fault):
            await self.pool.drop_connections()
            if self.connection._con is not None:  # otherwise the pool has already dropped it
                self.connection.terminate()
        await super().__aexit__(kind, fault, trace)
        # A transaction whose caller is cancelled finds its connection closed and raises that instead.
        if isinstance(fault, asyncpg.InterfaceError) and isinstance(fault.__context__, asyncio.CancelledError):
            raise fault.__context__


async def open_pool(
    database_url: str,
    *,
    program: str,
    size: int,
    statement_seconds: float = STATEMENT_SECONDS,
    idle_seconds: float = IDLE_SECONDS,
    read_only: bool = False,
    durable: bool = True,
) -> Pool:
    """A pool of at most `size` connections, opened on demand: a server that is down is no error.

    Connections lead to the primary, whichever of the URL's hosts that is (see `Connector`). With `read_only`, a
    standby is accepted too, and every write is refused. A statement that is not answered within `statement_seconds`
    closes its connection. The server ends a transaction that pauses for `idle_seconds`. Unless it is `durable`, a
    commit waits neither for the disk nor for a standby: a crash of the server may undo it.
    """
    bounded = type("Connection", (BoundedConnection,), {"__slots__": (), "statement_seconds": statement_seconds})
    pool: Pool = await Pool(
        database_url,
        loop=None,
        init=_init,
        setup=None,
        reset=None,
        connect=Connector(database_url, standby=read_only).connect,
        connection_class=bounded,
        record_class=asyncpg.Record,
        min_size=0,
        max_size=size,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        # Never expires: a client that stops while preparing a statement outside a transaction does not count as idle.
        max_cached_statement_lifetime=0,
        server_settings={
            **_session(program, _LONG_SNAPSHOT if read_only else idle_seconds, read_only=read_only),
            **({} if durable else {"synchronous_commit": "off"}),
        },
    )
    pool.wait = pool_wait.labels(program)
    pools.add(pool, program)
    return pool


async def _init(connection: asyncpg.Connection) -> None:
    trace_statements(connection)


def _session(program: str, idle_seconds: float, *, read_only: bool) -> dict[str, str]:
    """Server settings of a new session. Only the reader sets whether it writes: for all others, an administrator may
    stop writes with default_transaction_read_only.
    """
    return {
        "application_name": program,
        "timezone": "UTC",
        "lock_timeout": _milliseconds(READER_LOCK_SECONDS if read_only else LOCK_SECONDS),
        "idle_in_transaction_session_timeout": _milliseconds(idle_seconds),
        # Detect a vanished client: while the server sends to it, while it is silent, while a statement runs.
        "tcp_user_timeout": "10000",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
        "client_connection_check_interval": "2000",
        # Plan each execution for its actual array sizes and current statistics. A generic plan assumes ten elements;
        # one created while a table is nearly empty still reads all of it long after it has grown.
        "plan_cache_mode": "force_custom_plan",
        # Read-only sessions always scan by index. When one key owns most rows, the planner assumes every key does and
        # picks a sequential scan.
        "enable_seqscan": "off" if read_only else "on",
        **({"default_transaction_read_only": "on"} if read_only else {}),
    }


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"


async def reachable(pool: Pool) -> bool:
    """Whether the database answers a trivial query within two seconds."""
    return await _answer(pool) is not None


class Readiness:
    """Whether a program's database takes writes. Keeps its own connection: the server may have none to spare."""

    def __init__(self, health: Pool) -> None:
        self._health = health
        self._stopped = False

    async def __call__(self) -> bool:
        """True if the primary answers within two seconds.

        Also true while an administrator has stopped writes there: no other replica could do better, and this one's
        answers explain why.
        """
        writes = await _answer(self._health)
        if writes is False:
            # Either this connection leads to an old primary, or writes are stopped: a new connection shows which.
            await self._health.drop_connections()
            writes = await _answer(self._health)
        if writes is False and not self._stopped:
            _log.warning("database_read_only")
        self._stopped = writes is False
        return writes is not None

    async def missing(self) -> list[str]:
        """The reasons why the program is not ready, as sentences."""
        return [] if await self() else ["the database does not answer, or is not a primary"]


async def _answer(pool: Pool) -> bool | None:
    """Whether the server takes writes; None when it does not answer, or is a standby that should be a primary."""
    try:
        async with asyncio.timeout(_HEALTH_SECONDS):
            writes: bool = await pool.fetchval(
                "select not current_setting('transaction_read_only')::boolean", timeout=_HEALTH_SECONDS
            )
    except Exception as fault:
        if not is_transient(fault):
            raise
        _log.warning("database_unreachable", fault=repr(fault))
        return None
    return writes
