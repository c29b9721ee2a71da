"""Reads whose size is up to clients: pages and lists."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg

from reservaestoque.postgres.faults import CrowdedError
from reservaestoque.telemetry.load import count_refused

READ_SECONDS = 3.0
"""Time limit of a read for a client; it must not outlast the client."""

_PATIENCE = 2.0


class Reader:
    """Takes at most `connections` of the pool, so that slow reads leave the others for taking orders."""

    def __init__(self, pool: "asyncpg.Pool[Any]", *, connections: int, patience: float = _PATIENCE) -> None:
        self._pool = pool
        self._turns = asyncio.Semaphore(connections)
        self._patience = patience

    async def fetch(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """The rows. Raises CrowdedError when no connection becomes free within `patience` seconds, TimeoutError when
        the database takes longer than READ_SECONDS, and what asyncpg raises.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        except TimeoutError:
            count_refused("lists")
            raise CrowdedError(f"no connection became free within {self._patience} s") from None
        try:
            rows: Sequence[asyncpg.Record] = await self._pool.fetch(query, *arguments, timeout=READ_SECONDS)
        finally:
            self._turns.release()
        return rows
