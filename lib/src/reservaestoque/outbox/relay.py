"""The relay: takes facts out of the outbox, turns them into events, commits once the broker has confirmed.

Any number of relays may run: each locks the rows it takes and skips those of the others (pattern "Transactional
outbox", microservices.io). A crash between confirm and commit resends an event; consumers tolerate that.
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
from reservaestoque.outbox.unknown import UnknownFactError, UnknownFacts
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

ROWS = 1000
POLL_SECONDS = 1.0
RELAY_IDLE_SECONDS = 15.0
"""How long a relay's transaction may pause: confirms take ten at most. Other relays skip the rows that it holds."""

_log = logger(__name__)
_sent = Counter("outbox_events_total", "Events published and confirmed")
_failed = Counter("outbox_failures_total", "Times that publishing the outbox failed and was put off")


class Publishing(Protocol):
    """Where events are published: `reservaestoque.bus.Publisher`."""

    @property
    def connected(self) -> bool:
        """Whether publishing could succeed now."""
        ...

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Returns when all these (type, body) pairs are confirmed; raises NotPublishedError when one is not."""
        ...


class Relay:
    """Publishes what is in the outbox: at once after `wake`, otherwise within a second.

    `take` deletes and returns up to $1 rows, the oldest first, skipping locked ones and those whose `id` is in $2.
    `to_event` makes the event of a row. A row for which it raises UnknownFactError stays in the outbox for a replica
    that knows it, and neither delays nor breaks the others.
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
        self._unknown = UnknownFacts()

    def wake(self) -> None:
        """Signals that this process has just committed facts."""
        self._news.set()

    async def run(self) -> None:
        """Relays until cancelled, through broker and database outages."""
        failures = 0
        while True:
            try:
                # Only a full take suggests that there is more: leftovers of a crash, or a burst.
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
        """Publishes up to 1,000 facts and returns how many. Raises NotPublishedError or what asyncpg raises."""
        self._news.clear()
        if not self._publisher.connected:
            raise NotPublishedError("the broker is down or accepts no messages")
        self._unknown.forget_when_due(asyncio.get_running_loop().time())
        while not self._unknown.full:
            try:
                return await self._relay_known()
            except _UnknownTakenError as taken:  # rolled back: all rows are in the outbox again
                self._unknown.remember(taken.facts)
        return 0

    async def _relay_known(self) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            rows: Sequence[asyncpg.Record] = await connection.fetch(self._take, ROWS, self._unknown.ids)
            if rows:
                await self._publisher.publish(encode_batches(self._events(rows)))
        _sent.inc(len(rows))
        return len(rows)

    def _events(self, rows: Sequence[asyncpg.Record]) -> list[CloudEvent]:
        """The events of `rows`. Raises _UnknownTakenError when some of the facts are of another release."""
        events: list[CloudEvent] = []
        unknown: dict[int, str] = {}
        for row in rows:
            try:
                events.append(self._to_event(row))
            except UnknownFactError as error:
                unknown[row["id"]] = str(error)
        if unknown:
            raise _UnknownTakenError(unknown)
        return events

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._news.wait()


class _UnknownTakenError(Exception):
    """Some of the rows taken are not for us; `facts` says why, by id."""

    def __init__(self, facts: dict[int, str]) -> None:
        super().__init__(facts)
        self.facts = facts
