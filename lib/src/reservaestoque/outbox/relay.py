"""The relay: publishes the facts in the outbox as events and deletes them once the broker has confirmed.

Any number of relays may run: each locks the rows it takes and skips those of the others (pattern "Transactional
outbox", microservices.io). A crash between confirm and delete resends an event; consumers tolerate that.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import asyncpg
from prometheus_client import Counter, Histogram

from reservaestoque.backoff import back_off
from reservaestoque.bus import NotPublishedError, sending
from reservaestoque.events import CloudEvent, encode_batches
from reservaestoque.outbox.backlog import MAX_COUNT, Backlog
from reservaestoque.outbox.unknown import UnknownFactError, UnknownFacts
from reservaestoque.postgres import Queries, is_transient
from reservaestoque.telemetry import logger

ROWS = 20
"""Maximum number of rows per take."""
FACTS = 1000
"""Number of facts at which a take or a publication ends, after the row that reaches it. No row has many more."""
POLL_SECONDS = 1.0
FRESH_EVENTS = 20_000
"""Maximum number of events handed over that wait in memory: some seconds of the highest load, about ten megabytes."""
_LAST = 2**63 - 1

RELAY_IDLE_SECONDS = 15.0
"""Maximum pause of a relay's transaction: confirms take at most ten. Other relays skip the rows that it holds."""

_sql = Queries("reservaestoque.outbox")
_log = logger(__name__)
_sent = Counter("outbox_events_total", "Events published and confirmed")
_wait = Histogram(
    "outbox_oldest_event_seconds",
    "From the commit of the oldest event in a publication to the broker's confirm",
    buckets=(0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_failed = Counter("outbox_failures_total", "Failed attempts to publish the outbox, deferred")


class Publishing(Protocol):
    """The destination of events: `reservaestoque.bus.Publisher`."""

    @property
    def connected(self) -> bool:
        """Whether publishing could succeed now."""
        ...

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Returns when all these (type, body) pairs are confirmed. Raises NotPublishedError when one is not."""
        ...


class _Taken(NamedTuple):
    """The numbers of rows that a take has removed from the table, and of their facts."""

    rows: int
    facts: int

    @property
    def full(self) -> bool:
        """Whether a limit ended the take, so that more rows may be waiting."""
        return self.rows >= ROWS or self.facts >= FACTS


class Relay:
    """Publishes the facts in the outbox.

    Facts take one of two ways. The process that commits them hands their events over (`publish`), so nothing is read
    back: they are published at once and their rows deleted. The relay takes all others from the table: those of a
    process that has died, those that could not be published, and those that SQL functions write. It takes a row only
    if the previous poll, a second earlier, has seen it, and so leaves fresh rows to the process that is publishing
    them. A row that this process has committed without its events (`publish_row`) is taken at once.

    A row has the facts of one transaction. `take` deletes up to $1 rows with an `id` from $5 to $3, the oldest first,
    skipping locked ones and those in $2, until they have $4 facts. It returns a record for each of their facts, in
    order, with the `id` of the row. `to_event` builds the event of a fact. If it raises UnknownFactError, the whole
    row stays in the outbox for a replica that knows it, and neither delays nor breaks the others.
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
        self._fresh: deque[tuple[Sequence[int], Sequence[CloudEvent]]] = deque()
        self._fresh_events = 0
        self._poll_at = 0.0
        self._unread: deque[int] = deque()
        self._wake = asyncio.Event()
        self._newest: int | None = None
        self._unknown = UnknownFacts()
        self._backlog = Backlog()

    def publish(self, rows: Sequence[int], events: Sequence[CloudEvent]) -> None:
        """Hands over the events of these outbox rows, which this process has just committed.

        Beyond FRESH_EVENTS they stay in the table only, where they wait until the broker is back.
        """
        if self._fresh_events + len(events) > FRESH_EVENTS:
            return
        self._fresh.append((rows, events))
        self._fresh_events += len(events)
        self._wake.set()

    def publish_row(self, row: int) -> None:
        """Has the relay read and publish this row, which this process has just committed without its events."""
        self._unread.append(row)
        self._wake.set()

    async def run(self) -> None:
        """Relays until cancelled, through broker and database outages."""
        failures = 0
        while True:
            try:
                await self._run_due()
                failures = 0
                await self._wait(self._poll_at - _now())
            except Exception as fault:
                if not (isinstance(fault, NotPublishedError) or is_transient(fault)):
                    raise
                self.forget_fresh()
                failures += 1
                _failed.inc()
                _log.warning("publish_failed", failures=failures, fault=repr(fault))
                await back_off(failures)

    async def _run_due(self) -> None:
        await self.publish_fresh()
        while self._unread:
            row = self._unread.popleft()
            await self._relay_rows(row, row)
        if _now() >= self._poll_at:
            # Only a full take hints at more: leftovers of a crash, or a burst.
            taken = await self._poll()
            self._poll_at = _now() + (0 if taken.full else POLL_SECONDS)

    async def relay_once(self) -> int:
        """Publishes one take of the table; returns the number of facts.

        Raises NotPublishedError or what asyncpg raises.
        """
        return (await self._relay_rows(0, _LAST)).facts

    async def publish_fresh(self) -> None:
        """Publishes the events handed over.

        Raises NotPublishedError or what asyncpg raises; the rows then stay in the table, and `forget_fresh` drops the
        events.
        """
        self._wake.clear()
        while self._fresh:
            rows: list[int] = []
            events: list[CloudEvent] = []
            while self._fresh and len(events) < FACTS:
                more_rows, more_events = self._fresh.popleft()
                rows += more_rows
                events += more_events
            self._fresh_events -= len(events)
            self._check_connected()
            await self._send(events)
            _sent.inc(len(events))
            await self._pool.execute(_sql["remove"], rows)

    def forget_fresh(self) -> None:
        """Drops the events and the ids of rows handed over; the rows stay in the table."""
        self._fresh.clear()
        self._fresh_events = 0
        self._unread.clear()

    async def _poll(self) -> _Taken:
        """Takes the rows that the previous poll saw."""
        row = await self._pool.fetchrow(_sql["newest"], MAX_COUNT)
        self._backlog.observe(row["oldest"], row["newest"], row["depth"], _now())
        newest: int | None = row["newest"]
        up_to, self._newest = self._newest, newest
        if newest is None or up_to is None:
            return _Taken(0, 0)
        taken = await self._relay_rows(0, up_to)
        if taken.full:
            self._newest = up_to
        return taken

    async def _relay_rows(self, first: int, last: int) -> _Taken:
        self._check_connected()
        self._unknown.forget_when_due(_now())
        while not self._unknown.full:
            try:
                return await self._relay_known(first, last)
            except _UnknownTakenError as taken:  # rolled back: all rows are in the outbox again
                self._unknown.remember(taken.rows)
        return _Taken(0, 0)

    def _check_connected(self) -> None:
        if not self._publisher.connected:
            raise NotPublishedError("the broker is unreachable or blocks publishers")

    async def _relay_known(self, first: int, last: int) -> _Taken:
        async with self._pool.acquire() as connection, connection.transaction():
            facts: Sequence[asyncpg.Record] = await connection.fetch(
                self._take, ROWS, self._unknown.ids, last, FACTS, first
            )
            if facts:
                await self._send(self._events(facts))
        _sent.inc(len(facts))
        return _Taken(len({fact["id"] for fact in facts}), len(facts))

    async def _send(self, events: Sequence[CloudEvent]) -> None:
        with sending(events) as traced:
            await self._publisher.publish(encode_batches(traced))
        if events:
            oldest = min(event.time for event in events)
            _wait.observe(max((datetime.now(UTC) - oldest).total_seconds(), 0.0))

    def _events(self, facts: Sequence[asyncpg.Record]) -> list[CloudEvent]:
        """The events of `facts`. Raises _UnknownTakenError when some of them are of another release."""
        events: list[CloudEvent] = []
        unknown: dict[int, str] = {}
        for fact in facts:
            try:
                events.append(self._to_event(fact))
            except UnknownFactError as error:
                unknown[fact["id"]] = str(error)
        if unknown:
            raise _UnknownTakenError(unknown)
        return events

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()


def _now() -> float:
    """The time of the running event loop."""
    return asyncio.get_running_loop().time()


class _UnknownTakenError(Exception):
    """Some of the rows taken have facts that this release does not know; `rows` maps their ids to the reasons."""

    def __init__(self, rows: dict[int, str]) -> None:
        super().__init__(rows)
        self.rows = rows
