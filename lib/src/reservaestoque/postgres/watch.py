"""Which server a program's new connections lead to, and what becomes of the old ones when that changes."""

import asyncio
import contextlib
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reservaestoque.postgres.faults import is_transient
from reservaestoque.postgres.hosts import Connector
from reservaestoque.postgres.pool import Pool
from reservaestoque.telemetry import logger

WATCH_SECONDS = 3.0
"""Interval between new connections. Each costs a server process and an authentication."""
_ANSWER_SECONDS = 2.0
_SHUT_DOWN = "57P"
_WHO = "select inet_server_addr()::text as address, inet_server_port() as port, pg_postmaster_start_time() as started"

_log = logger(__name__)


class _Server(NamedTuple):
    """A run of a PostgreSQL server. Address and port are null on a Unix socket."""

    address: str | None
    port: int | None
    started: datetime


class ServerWatch:
    """Connects every WATCH_SECONDS; closes connections to another server, or to one that shuts down.

    Open connections do not tell. After a fail-over they may lead to the old primary for as long as it answers. During
    a smart shutdown the server serves them, refuses new ones, and waits until its clients have left.
    """

    def __init__(self, connector: Connector, *pools: Pool, program: str) -> None:
        self._connector = connector
        self._pools = pools
        self._program = program
        self._server: _Server | None = None
        self._moved = asyncio.Event()
        self.moves = 0
        """How often connections had to be let go."""

    async def run(self) -> None:
        """Looks until cancelled, whatever the database does meanwhile."""
        while True:
            await self.look()
            await asyncio.sleep(WATCH_SECONDS)

    async def look(self) -> None:
        """Connects once. Of a server that does not answer, or has no connection to spare, nothing follows.

        Raises what does not pass by itself.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                server = await self._ask()
        except Exception as fault:
            if not is_transient(fault):
                raise
            if isinstance(fault, asyncpg.PostgresError) and (fault.sqlstate or "").startswith(_SHUT_DOWN):
                await self._let_go(repr(fault))
            return
        known, self._server = self._server, server
        if known is not None and server != known:
            await self._let_go("new connections lead to another server")

    async def moved(self, since: int, seconds: float) -> bool:
        """Whether a connection made at `since` moves should be let go; waits for that up to `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.moves == since:
                    await self._moved.wait()
        return self.moves != since

    async def _ask(self) -> _Server:
        connection: asyncpg.Connection[Any] = await self._connector.connect(
            server_settings={"application_name": f"{self._program} watch"}
        )
        try:
            return _Server(*await connection.fetchrow(_WHO))
        finally:
            connection.terminate()

    async def _let_go(self, reason: str) -> None:
        _log.warning("connections_let_go", reason=reason)
        for pool in self._pools:
            await pool.let_go()
        self.moves += 1
        self._moved.set()
        self._moved = asyncio.Event()
