"""A client of event streams: the subset of EventSource that the tests need, and access to what it received."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

SECONDS = 30


class StreamEvent(NamedTuple):
    """An event; `id` is the last one received, with this event or before it."""

    name: str
    id: str
    data: dict[str, Any]


class EventStream:
    """An open stream. `last_id` and `heartbeats` (comments) grow as it is read."""

    def __init__(self, response: httpx.Response, last_id: str) -> None:
        self.response = response
        self.last_id = last_id
        self.heartbeats = 0
        self.retry = 0
        self._lines = response.aiter_lines()

    async def next_event(self) -> StreamEvent | None:
        """The next event; None when the stream has ended. Raises TimeoutError after 30 seconds."""
        async with asyncio.timeout(SECONDS):
            while (block := await self._block()) is not None:
                self._record(block)
                if "data" in block:
                    return StreamEvent(block.get("event", "message"), self.last_id, json.loads(block["data"]))
        return None

    async def opened(self) -> "EventStream":
        """Returns when the stream has sent its starting position."""
        async with asyncio.timeout(SECONDS):
            while not self.last_id:
                block = await self._block()
                assert block is not None
                self._record(block)
        return self

    async def read_block(self) -> None:
        """Reads the next event, id or heartbeat, and updates `last_id`. Raises TimeoutError."""
        async with asyncio.timeout(SECONDS):
            block = await self._block()
            assert block is not None
            self._record(block)

    async def events(self, count: int) -> list[StreamEvent]:
        """The next `count` events, or fewer when the stream ends."""
        seen: list[StreamEvent] = []
        while len(seen) < count and (event := await self.next_event()):
            seen.append(event)
        return seen

    async def until_end(self) -> list[StreamEvent]:
        """All remaining events."""
        return await self.events(10**9)

    async def until_heartbeat(self, before: str = "") -> None:
        """Returns after a heartbeat and an id other than `before`. Raises TimeoutError after 30 seconds."""
        async with asyncio.timeout(SECONDS):
            while not self.heartbeats or self.last_id == before:
                block = await self._block()
                assert block is not None
                assert "data" not in block, block
                self._record(block)

    def _record(self, block: dict[str, str]) -> None:
        self.last_id = block.get("id", self.last_id)
        self.retry = int(block.get("retry", self.retry))
        self.heartbeats += "" in block

    async def _block(self) -> dict[str, str] | None:
        rows: list[str] = []
        async for row in self._lines:
            if not row:
                return fields(rows)
            rows.append(row)
        return None


def fields(block: Iterable[str]) -> dict[str, str]:
    """The fields of a block of lines; a comment has the empty name."""
    parts = (row.partition(":") for row in block)
    return {name: value.removeprefix(" ") for name, _, value in parts}


@asynccontextmanager
async def open_stream(
    client: httpx.AsyncClient, url: str, *, since: str = "", **params: str
) -> AsyncIterator[EventStream]:
    """Opens a stream that is answered with 200; `since` is the Last-Event-ID."""
    headers = {"Last-Event-ID": since} if since else {}
    async with client.stream("GET", url, headers=headers, params=params) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield EventStream(response, since)
