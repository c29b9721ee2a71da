"""What a consumer does with its messages: all of them settled, then acknowledged; poison set aside alone.

Free of the broker: a `Source` gives the messages and takes the acknowledgement.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from prometheus_client import Counter, Histogram

from reservaestoque.backoff import back_off
from reservaestoque.events import CloudEvent, Decoder, Rejected
from reservaestoque.telemetry import logger

E = TypeVar("E", bound=CloudEvent)

_log = logger(__name__)
_events = Counter("consumer_events_total", "Events whose effect is committed", ["queue"])
_batch = Histogram(
    "consumer_batch_events", "Events a transaction", ["queue"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 400)
)
_held = Counter("consumer_held_total", "Times that a batch was held for a fault that passes", ["queue"])


class Message(Protocol):
    """What a source delivers."""

    @property
    def body(self) -> bytes:
        """A batch of events, as `reservaestoque.events.batch` describes it."""
        ...


M = TypeVar("M", bound=Message)


class Source(Protocol[M]):
    """A consumer's side of a queue. Every method that waits raises what the broker's client raises."""

    async def wait(self) -> M:
        """The next message, when there is one."""
        ...

    def take(self) -> M | None:
        """Another message that is there already; None when none is."""
        ...

    async def set_aside(self, body: bytes, reason: str) -> None:
        """Puts `body` into the dead letters; returns when that is certain."""
        ...

    async def acknowledge(self, messages: Sequence[M]) -> None:
        """Never delivers these messages again."""
        ...


class Refused(NamedTuple):
    """An event that the handler could not use, and a sentence that says why; it goes to the dead letters."""

    event: CloudEvent
    reason: str


Handle = Callable[[Sequence[E]], Awaitable[Sequence[Refused]]]


class Batches(Generic[E]):
    """Feeds the events that wait at a source to `handle`, as many at a time as wait, about `max_events` at most.

    `handle` returns when the effect of all of them is committed; it must bear being given an event twice.
    When it raises something that `is_transient` says will pass, the same events are tried again, after `pause`
    with the number of failures so far, and nothing else is taken. When it raises anything else the batch is
    halved until the one event at fault is alone; that one goes to the dead letters.
    """

    def __init__(
        self,
        queue: str,
        decoder: Decoder[E],
        handle: Handle[E],
        is_transient: Callable[[BaseException], bool],
        *,
        max_events: int = 200,
        pause: Callable[[int], Awaitable[None]] = back_off,
    ) -> None:
        self._queue = queue
        self._decoder = decoder
        self._handle = handle
        self._is_transient = is_transient
        self._max_events = max_events
        self._pause = pause

    async def settle_next(self, source: Source[M]) -> None:
        """Waits for a message, settles it with all that wait beside it, acknowledges. Raises what `source` raises."""
        messages, events, rejected = await self._take(source)
        await self._set_aside(source, rejected)
        await self._settle(source, events, messages)
        await source.acknowledge(messages)
        _events.labels(self._queue).inc(len(events))
        _batch.labels(self._queue).observe(len(events))

    async def _take(self, source: Source[M]) -> tuple[list[M], list[E], list[Rejected]]:
        """Waits for one message, then takes what else is there."""
        messages: list[M] = []
        events: list[E] = []
        rejected: list[Rejected] = []
        message: M | None = await source.wait()
        while message is not None:
            good, bad = self._decoder.decode(message.body)
            messages.append(message)
            events += good
            rejected += bad
            message = source.take() if len(events) < self._max_events else None
        return messages, events, rejected

    async def _settle(self, source: Source[M], events: list[E], messages: list[M]) -> None:
        fault = await self._try(source, events, messages)
        if fault is None:
            return
        if len(events) > 1:
            middle = len(events) // 2
            await self._settle(source, events[:middle], messages)
            await self._settle(source, events[middle:], messages)
            return
        reason = f"the event could not be processed: {fault!r}"
        await self._set_aside(source, [Rejected(self._original(events[0], messages), reason)])

    async def _try(self, source: Source[M], events: list[E], messages: list[M]) -> Exception | None:
        """None when all is committed (what the handler refused is set aside), else the fault of these events."""
        if not events:
            return None
        failures = 0
        while True:
            try:
                refused = await self._handle(events)
            except Exception as fault:
                if not self._is_transient(fault):
                    return fault
                failures += 1
                _held.labels(self._queue).inc()
                _log.warning("batch_held", queue=self._queue, failures=failures, fault=repr(fault))
                await self._pause(failures)
            else:
                originals = [Rejected(self._original(r.event, messages), r.reason) for r in refused]
                await self._set_aside(source, originals)
                return None

    async def _set_aside(self, source: Source[M], rejected: Sequence[Rejected]) -> None:
        for body, reason in rejected:
            await source.set_aside(body, reason)

    def _original(self, event: CloudEvent, messages: Sequence[Message]) -> bytes:
        """The bytes that the event came in, with fields that this release does not know."""
        for message in messages:
            original = self._decoder.find(message.body, event)
            if original is not None:
                return original
        raise LookupError(f"event {event.id} is in none of the messages it came from")
