"""Watches which server new connections lead to, and closes the old ones when that changes."""

import asyncio
import contextlib
import random
from datetime import datetime
from typing import Any

import asyncpg

from reservaestoque.postgres.faults import is_transient
from reservaestoque.postgres.hosts import Connector
from reservaestoque.postgres.pool import Pool
from reservaestoque.telemetry import logger

WATCH_SECONDS = 3.0
"""Mean interval between new connections. Each costs a server process and an authentication."""
_JITTER = 0.2
_ANSWER_SECONDS = 2.0
_SHUT_DOWN = "57P"
_STARTED = "select pg_postmaster_start_time()"
"""Identifies a run of a server, regardless of the address used to reach it."""

_log = logger(__name__)


def _shuts_down(fault: Exception) -> bool:
    return isinstance(fault, asyncpg.PostgresError) and (fault.sqlstate or "").startswith(_SHUT_DOWN)


class ServerWatch:
    """Connects every WATCH_SECONDS; closes connections to another server, or to one that is shutting down.

    Open connections do not show either. After a fail-over they may lead to the old primary for as long as it answers.
    During a smart shutdown the server serves them, refuses new ones, and waits until its clients have left. Where
    standbys are suitable, each new connection may lead to another server, so only a shutdown counts.
    """

    def __init__(self, connector: Connector, *pools: Pool, program: str) -> None:
        self._connector = connector
        self._pools = pools
        self._program = program
        self._url: str | None = None
        self._started: datetime | None = None
        self._moved = asyncio.Event()
        self.moves = 0
        """Number of times that connections had to be dropped."""

    async def run(self) -> None:
        """Watches until cancelled, through database outages."""
        while True:
            await self.check()
            await asyncio.sleep(WATCH_SECONDS * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311

    async def check(self) -> None:
        """Connects once. A server that does not answer, or has no connection to spare, changes nothing.

        Raises errors that are not transient.
        """
        started: datetime | None = None
        try:
            started = await self._query_start()
        except Exception as fault:
            if not is_transient(fault):
                raise
        faults = self._connector.faults
        refusals = faults.values() if self._url is None else filter(None, [faults.get(self._url)])
        shutdown = next(filter(_shuts_down, refusals), None)
        if shutdown is not None:
            await self._drop_connections(repr(shutdown))
        elif started and self._started and started != self._started and not self._connector.standby:
            await self._drop_connections("new connections lead to another server")
        if started:
            self._url, self._started = self._connector.chosen, started

    async def moved(self, since: int, seconds: float) -> bool:
        """Whether a connection opened when `moves` was `since` should be dropped; waits up to `seconds` for that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.moves == since:
                    await self._moved.wait()
        return self.moves != since

    async def _query_start(self) -> datetime:
        connection: asyncpg.Connection[Any] = await self._connector.connect(
            server_settings={"application_name": f"{self._program} watch"}
        )
        try:
            started: datetime = await connection.fetchval(_STARTED, timeout=_ANSWER_SECONDS)
        finally:
            connection.terminate()
        return started

    async def _drop_connections(self, reason: str) -> None:
        _log.warning("connections_replaced", reason=reason)
        for pool in self._pools:
            await pool.drop_connections()
        self.moves += 1
        self._moved.set()
        self._moved = asyncio.Event()
