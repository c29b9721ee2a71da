"""A connection on which every statement ends in time, or the connection is closed."""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

import asyncpg

from reservaestoque.postgres.faults import SlowStatementError
from reservaestoque.telemetry import logger

T = TypeVar("T")

CLOSE_SECONDS = 2.0

_BROKEN = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, AttributeError)
"""Errors that asyncpg raises on a closed connection. AttributeError: a statement that is prepared first takes several
round trips, and asyncpg begins the next one without checking that the connection is still open.
"""

_log = logger(__name__)


class BoundedConnection(asyncpg.Connection):  # type: ignore[misc]
    """Closes itself abruptly when a statement is not answered within its `timeout`, or `statement_seconds`.

    asyncpg's own time limit asks the server to cancel the statement and waits until it has: on a server that has
    vanished or hangs, that takes as long again. And a COMMIT that waits for its synchronous standby must not be
    cancelled, because it would then succeed without one. This class sends the server no request: the server notices
    that the client is gone (client_connection_check_interval) and cancels what still runs. Whether a COMMIT took
    effect is then unknown.
    """

    __slots__ = ()

    statement_seconds = 10.0

    def get_reset_query(self) -> str:
        """Empty: our statements do not change the session, so a connection returns to the pool without a round trip.

        A transaction that is still open is rolled back nevertheless.
        """
        return ""

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """Like asyncpg's, within a time limit. Raises TimeoutError when it expires."""
        return await self.in_time(super().execute(query, *args), timeout)

    async def fetch(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None) -> Any:
        """Like asyncpg's, within a time limit. Raises TimeoutError when it expires."""
        return await self.in_time(super().fetch(query, *args, record_class=record_class), timeout)

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None, record_class: Any = None) -> Any:
        """Like asyncpg's, within a time limit. Raises TimeoutError when it expires."""
        return await self.in_time(super().fetchrow(query, *args, record_class=record_class), timeout)

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:
        """Like asyncpg's, within a time limit. Raises TimeoutError when it expires."""
        return await self.in_time(super().fetchval(query, *args, column=column), timeout)

    def _cancel_current_command(self, waiter: "asyncio.Future[None]", cancel_waiter: object = None) -> None:
        """asyncpg's hook for a cancelled caller: here it drops the connection."""
        self.terminate()
        if not waiter.done():
            waiter.set_result(None)

    async def close(self, *, timeout: float | None = None) -> None:
        """Like asyncpg's, but waits CLOSE_SECONDS at most for the server."""
        try:
            await super().close(timeout=min(timeout or CLOSE_SECONDS, CLOSE_SECONDS))
        except TimeoutError:
            _log.info("connection_closed_abruptly", seconds=CLOSE_SECONDS)

    async def in_time(self, answer: Awaitable[T], timeout: float | None = None) -> T:
        """Awaits `answer`, a call on this connection, for `timeout` seconds (default: `statement_seconds`).

        Raises what `answer` raises and, when the time is up, TimeoutError; SlowStatementError instead if `timeout` is
        shorter than `statement_seconds`.
        """
        seconds = self.statement_seconds if timeout is None else timeout
        alarm = asyncio.get_running_loop().call_later(seconds, self.terminate)
        try:
            return await answer
        except _BROKEN as fault:
            if self.is_closed() and alarm.when() <= asyncio.get_running_loop().time():
                late = TimeoutError if seconds >= self.statement_seconds else SlowStatementError
                raise late(f"the database did not answer within {seconds:g} s") from fault
            if self.is_closed() and isinstance(fault, AttributeError):
                raise asyncpg.ConnectionDoesNotExistError("the connection was closed during a statement") from fault
            raise
        finally:
            alarm.cancel()
