"""The cost of statements in database pages, which does not depend on the machine or its load."""

import json
from typing import Any

import asyncpg


class Metered:
    """A connection that a purge uses as its pool; `pages` has the number that each `fetchrow` touched."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.pages = list[int]()

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        return await self._connection.fetchval(sql, *arguments)

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        return await self._connection.fetch(sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> asyncpg.Record | None:
        """Runs it once to measure its cost, rolls that back, and runs it."""
        attempt = self._connection.transaction()
        await attempt.start()
        plan = json.loads(
            await self._connection.fetchval(f"explain (analyze, buffers, format json) {sql}", *arguments)
        )
        await attempt.rollback()
        self.pages.append(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])
        return await self._connection.fetchrow(sql, *arguments)
