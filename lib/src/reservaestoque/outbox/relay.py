"""The relay: takes facts out of the outbox, makes events of them, commits once the broker has confirmed.

Any number of relays may run: each locks the rows it takes and skips those of the others (pattern "Transactional
outbox", microservices.io). A crash between confirm and commit sends an event again; consumers bear that.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import asyncpg
from prometheus_client import Counter

from reservaestoque.backoff import back_off
from reservaestoque.bus import NotPublishedError
from reservaestoque.events import CloudEvent, encode_batches
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

ROWS = 1000
POLL_SECONDS = 1.0
RELAY_IDLE_SECONDS = 60.0
"""How long a relay's transaction may pause for the broker's confirms. Others skip the rows that it holds."""

_log = logger(__name__)
_sent = Counter("outbox_events_total", "Events published and confirmed")
_failed = Counter("outbox_failures_total", "Times that publishing the outbox failed and was put off")


class Publishing(Protocol):
    """Where events go: `reservaestoque.bus.Publisher`."""

    @property
    def connected(self) -> bool:
        """Whether publishing could succeed now."""
        ...

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Returns when all these (type, body) pairs are confirmed; raises NotPublishedError when one is not."""
        ...


class Relay:
    """Publishes what is in the outbox, at once after `wake`, else within a second.

    `take` deletes and returns up to $1 rows, skipping locked ones; `to_event` makes the event of a row.
    """

    def __init__(
        self,
        pool: "asyncpg.Pool[Any]",
        publisher: Publishing,
        *,
        take: str,
        to_event: Callable[[asyncpg.Record], CloudEvent],
    ) -> None:
        self._pool = pool
        self._publisher = publisher
        self._take = take
        self._to_event = to_event
        self._news = asyncio.Event()

    def wake(self) -> None:
        """Says that this process has just committed facts."""
        self._news.set()

    async def run(self) -> None:
        """Relays until cancelled, whatever broker and database do meanwhile."""
        failures = 0
        while True:
            try:
                # Only a full take hints at more: leftovers of a crash, or a burst.
                if await self.relay_once() < ROWS:
                    await self._wait()
                failures = 0
            except Exception as fault:
                if not (isinstance(fault, NotPublishedError) or is_transient(fault)):
                    raise
                failures += 1
                _failed.inc()
                _log.warning("outbox_put_off", failures=failures, fault=repr(fault))
                await back_off(failures)

    async def relay_once(self) -> int:
        """Publishes up to 1,000 facts and says how many. Raises NotPublishedError or what asyncpg raises."""
        self._news.clear()
        if not self._publisher.connected:
            raise NotPublishedError("there is no connection to the broker")
        async with self._pool.acquire() as connection, connection.transaction():
            rows: Sequence[asyncpg.Record] = await connection.fetch(self._take, ROWS)
            if rows:
                await self._publisher.publish(encode_batches([self._to_event(row) for row in rows]))
        _sent.inc(len(rows))
        return len(rows)

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._news.wait()
