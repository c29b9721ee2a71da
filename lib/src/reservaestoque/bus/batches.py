"""Settles the messages of a consumer before it acknowledges them. A poison event goes to the dead letters alone, and
an event blocked by a lock waits alone.

Independent of the broker: a `Source` delivers the messages and takes the acknowledgements.
"""

import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, NamedTuple, Protocol, TypeVar

from prometheus_client import Counter, Histogram

from reservaestoque.backoff import back_off
from reservaestoque.bus.traced import processing
from reservaestoque.events import CloudEvent, Decoder, Rejected, pack
from reservaestoque.postgres import is_contended, is_transient
from reservaestoque.telemetry import first_ids, logger

E = TypeVar("E", bound=CloudEvent)
E_contra = TypeVar("E_contra", bound=CloudEvent, contravariant=True)

BATCH_BYTES = 256 * 1024
"""Size of the messages at which a batch is full: about 500 orders of three items. It limits how long large orders
hold the locks of their SKUs: 200 orders of a hundred items take 0.1 s on a quiet machine.
"""
PROBE_SECONDS = 0.2
"""Interval between checks of events that are blocked by another session's lock."""
WARY_ROUNDS = 8
"""Rounds after a lock timeout in which locks are probed instead of awaited."""
MAX_BLOCKED = 8
"""Limit of unacknowledged messages with blocked events. They count against the prefetch limit: more would starve the
consumer.
"""
_TIMEOUTS = 2

_log = logger(__name__)
_events = Counter("consumer_events_total", "Events whose effect is committed", ["queue"])
_batch = Histogram(
    "consumer_batch_events", "Events per transaction", ["queue"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 400)
)
_seconds = Histogram(
    "consumer_batch_seconds",
    "From the start of a batch's transaction to its commit",
    ["queue"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_age = Histogram(
    "consumer_oldest_event_seconds",
    "Age of a batch's oldest event when its transaction starts: its time in the outbox and in the queue",
    ["queue"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_blocked = Counter("consumer_blocked_total", "Events that waited for a lock outside their batch", ["queue"])
_held = Counter("consumer_held_total", "Times that a batch was held because of a transient fault", ["queue"])


class Message(Protocol):
    """A message as a source delivers it."""

    @property
    def body(self) -> bytes:
        """A batch of events, as `reservaestoque.events.batch` describes it."""
        ...


M = TypeVar("M", bound=Message)


class Source(Protocol[M]):
    """A consumer's side of a queue. Every method that waits raises what the broker's client raises."""

    async def wait(self, seconds: float | None) -> M | None:
        """The next message, as soon as one arrives; None when none does within `seconds`."""
        ...

    def take(self) -> M | None:
        """Another message that has already arrived; None when there is none."""
        ...

    async def dead_letter(self, body: bytes, reason: str) -> None:
        """Publishes `body` to the dead letters; returns once that is confirmed."""
        ...

    async def put_back(self, kind: str, body: bytes) -> None:
        """Puts a message of events of type `kind` at the end of the queue; returns once that is confirmed."""
        ...

    async def acknowledge(self, messages: Sequence[M]) -> None:
        """Acknowledges these messages, so that they are never delivered again."""
        ...


class Unprocessable(NamedTuple):
    """An event that the handler could not process, and the reason, as a sentence; it goes to the dead letters."""

    event: CloudEvent
    reason: str


class Handler(Protocol[E_contra]):
    """A program's handling of the events of a queue."""

    async def handle(self, events: Sequence[E_contra], /) -> Sequence[Unprocessable]:
        """Returns when the effects of all events, except those that it refuses, are committed.

        It must tolerate redelivered events. After an error, no event has taken effect.
        """
        ...

    async def find_blocked(self, events: Sequence[E_contra], /) -> Collection[object]:
        """The ids of events that need a row locked by another session. Never waits for a lock."""
        ...


@dataclass
class _Delivery(Generic[M, E]):
    """A message, and those of its events that are not yet settled."""

    message: M
    events: list[E]


class Batches(Generic[E]):
    """Feeds the events waiting at a source to `handler`: everything that has arrived, about `max_events` or
    BATCH_BYTES at a time.

    An error that `handler` raises for a batch decides what happens next:

    - Lock timeout (`is_contended`): the blocked events wait with their messages unacknowledged; the others continue.
      When they hold up many messages, they are put back at the end of the queue, packed into few.
    - Any other transient fault (`is_transient`): the same events are retried, after `pause` with the number of
      failures so far, and nothing else is taken. A batch that times out twice is halved: it may be too large.
    - Anything else: the batch is bisected until the faulty event is alone; that event goes to the dead letters.
    """

    def __init__(
        self,
        queue: str,
        decoder: Decoder[E],
        handler: Handler[E],
        *,
        max_events: int = 400,
        pause: Callable[[int], Awaitable[None]] = back_off,
    ) -> None:
        self._queue = queue
        self._decoder = decoder
        self._handler = handler
        self._max_events = max_events
        self._pause = pause
        for counter in (_events, _held, _blocked):
            counter.labels(queue)  # so that a rate is 0 before the first one

    async def run(self, source: Source[M]) -> None:
        """Settles messages until cancelled. Raises what `source` raises."""
        blocked: list[_Delivery[M, E]] = []
        wary = 0
        while True:
            blocked, wary = await self._settle_next(source, blocked, wary)

    async def _settle_next(
        self, source: Source[M], blocked: list[_Delivery[M, E]], wary: int
    ) -> tuple[list[_Delivery[M, E]], int]:
        """Settles the waiting messages and the `blocked` events; returns those blocked now, and the next `wary`.

        During the next `wary` rounds, locks are probed before they are awaited. Not for longer: on a hot row that
        many replicas lock in turn, a probe nearly always fails, whereas a waiting session gets the lock.
        """
        fresh, rejected = await self._take(source, PROBE_SECONDS if blocked else None)
        await self._dead_letter(source, rejected)
        deliveries = [*blocked, *fresh]
        messages = [delivery.message for delivery in deliveries]
        waiting = [event for delivery in blocked for event in delivery.events]
        arrived = [event for delivery in fresh for event in delivery.events]
        blocked_ids = await self._still_blocked([*waiting, *arrived]) if wary else set()
        free = [event for event in waiting if event.id not in blocked_ids]
        due = free[: self._max_events]
        # An event may be delivered twice.
        blocked_ids |= {event.id for event in free} - {event.id for event in due}
        events = [event for event in arrived if event.id not in blocked_ids]
        # Settled separately: if the lock times out again, the fresh events have not waited for it.
        missed = await self._settle(source, events, messages)
        missed |= await self._settle(source, due, messages)
        blocked_ids |= missed
        for delivery in deliveries:
            delivery.events = [event for event in delivery.events if event.id in blocked_ids]
        settled = [delivery.message for delivery in deliveries if not delivery.events]
        if settled:
            await source.acknowledge(settled)
        committed = sum(event.id not in blocked_ids for event in [*events, *due])
        if committed:
            _events.labels(self._queue).inc(committed)
            _batch.labels(self._queue).observe(committed)
        blocked = [delivery for delivery in deliveries if delivery.events]
        next_wary = WARY_ROUNDS if missed else max(wary - 1, 0) if blocked_ids else 0
        return (blocked if len(blocked) <= MAX_BLOCKED else await self._put_back(source, blocked)), next_wary

    async def _put_back(self, source: Source[M], blocked: list[_Delivery[M, E]]) -> list[_Delivery[M, E]]:
        """Puts blocked events back into the queue if that makes fewer messages; returns those still blocked."""
        encoded = [
            piece
            for delivery in blocked
            for piece in self._decoder.select(delivery.message.body, {event.id for event in delivery.events})
        ]
        fewer = list(pack(encoded))
        if len(fewer) > len(blocked) // 2:
            return blocked
        for kind, body in fewer:
            await source.put_back(kind, body)
        await source.acknowledge([delivery.message for delivery in blocked])
        _log.info("events_put_back", queue=self._queue, events=len(encoded), messages=len(fewer))
        return []

    async def _take(self, source: Source[M], seconds: float | None) -> tuple[list[_Delivery[M, E]], list[Rejected]]:
        """Waits for one message, then takes all others that have arrived."""
        deliveries: list[_Delivery[M, E]] = []
        rejected: list[Rejected] = []
        count = size = 0
        message: M | None = await source.wait(seconds)
        while message is not None:
            good, bad = self._decoder.decode(message.body)
            deliveries.append(_Delivery(message, good))
            rejected += bad
            count += len(good)
            size += len(message.body)
            message = source.take() if count < self._max_events and size < BATCH_BYTES else None
        return deliveries, rejected

    async def _settle(self, source: Source[M], events: Sequence[E], messages: list[M]) -> set[object]:
        """Commits or dead-letters the events, except blocked ones; returns the ids of those."""
        failures = 0
        while events:
            try:
                unprocessable = await self._handle(events)
            except Exception as fault:
                contended = is_contended(fault)
                blocked = await self._find_blocked(events) if contended else set()
                if blocked:
                    free = [event for event in events if event.id not in blocked]
                    return blocked | await self._settle(source, free, messages)
                if contended and len(events) == 1:
                    return {events[0].id}
                if not is_transient(fault):
                    return await self._narrow(source, events, messages, fault)
                failures += 1
                if failures >= _TIMEOUTS and len(events) > 1 and (contended or isinstance(fault, TimeoutError)):
                    return await self._halve(source, events, messages)
                _held.labels(self._queue).inc()
                _log.warning("batch_held", queue=self._queue, failures=failures, fault=repr(fault))
                await self._pause(failures)
            else:
                sent = {event.id: event for event in events} if unprocessable else {}
                originals = [Rejected(self._original(sent[r.event.id], messages), r.reason) for r in unprocessable]
                await self._dead_letter(source, originals)
                break
        return set()

    async def _handle(self, events: Sequence[E]) -> Sequence[Unprocessable]:
        began = time.perf_counter()
        oldest = min(event.time for event in events)
        _age.labels(self._queue).observe(max((datetime.now(UTC) - oldest).total_seconds(), 0.0))
        with processing(events, self._queue) as traced:
            unprocessable = await self._handler.handle(traced)
        _seconds.labels(self._queue).observe(time.perf_counter() - began)
        return unprocessable

    async def _halve(self, source: Source[M], events: Sequence[E], messages: list[M]) -> set[object]:
        middle = len(events) // 2
        blocked = await self._settle(source, events[:middle], messages)
        return blocked | await self._settle(source, events[middle:], messages)

    async def _narrow(
        self, source: Source[M], events: Sequence[E], messages: list[M], fault: Exception
    ) -> set[object]:
        """Bisects the events until the faulty one is alone; that event goes to the dead letters."""
        if len(events) > 1:
            return await self._halve(source, events, messages)
        reason = f"the event could not be processed: {fault!r}"
        await self._dead_letter(source, [Rejected(self._original(events[0], messages), reason)])
        return set()

    async def _find_blocked(self, events: Sequence[E]) -> set[object]:
        """The ids of the events that wait for a lock; none if that cannot be determined."""
        try:
            blocked = set(await self._handler.find_blocked(events))
        except Exception as fault:
            if not is_transient(fault):
                raise
            return set()
        if blocked:
            _blocked.labels(self._queue).inc(len(blocked))
            orders = first_ids(event.subject for event in events if event.id in blocked)
            _log.warning("events_blocked", queue=self._queue, count=len(blocked), pedidos=orders)
        return blocked

    async def _still_blocked(self, events: Sequence[E]) -> set[object]:
        """The ids of the events that still wait for their lock; all of them if that cannot be determined."""
        try:
            return set(await self._handler.find_blocked(events)) if events else set()
        except Exception as fault:
            if not is_transient(fault):
                raise
            return {event.id for event in events}

    async def _dead_letter(self, source: Source[M], rejected: Sequence[Rejected]) -> None:
        for body, reason in rejected:
            await source.dead_letter(body, reason)

    def _original(self, event: CloudEvent, messages: Sequence[Message]) -> bytes:
        """The bytes in which the event arrived, including fields that this release does not know."""
        for message in messages:
            original = self._decoder.find(message.body, event)
            if original is not None:
                return original
        raise LookupError(f"event {event.id} is in none of the messages it came from")
