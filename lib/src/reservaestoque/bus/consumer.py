"""Consuming in batches: acknowledged after commit, held while the database is away, poison set aside alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from prometheus_client import Counter, Histogram

from reservaestoque.backoff import back_off
from reservaestoque.bus import dead_letters, topology
from reservaestoque.bus.connection import keep_connected
from reservaestoque.events import CloudEvent, Decoder, Rejected
from reservaestoque.telemetry import logger

E = TypeVar("E", bound=CloudEvent)

_log = logger(__name__)
_events = Counter("consumer_events_total", "Events whose effect is committed", ["queue"])
_batch = Histogram(
    "consumer_batch_events", "Events a transaction", ["queue"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 400)
)
_held = Counter("consumer_held_total", "Times that a batch was held for a fault that passes", ["queue"])


class Refused(NamedTuple):
    """An event that the handler could not use, and a sentence that says why; it goes to the dead letters."""

    event: CloudEvent
    reason: str


Handle = Callable[[Sequence[E]], Awaitable[Sequence[Refused]]]


class BatchConsumer(Generic[E]):
    """Feeds the events that wait in `queue` to `handle`, as many at a time as wait, about `max_events` at most.

    `handle` returns when the effect of all of them is committed; it must bear being given an event twice.
    When it raises something that `is_transient` says will pass, the same events are tried again, with
    back-off, and nothing else is taken. When it raises anything else the batch is halved until the one event
    at fault is alone; that one goes to the dead letters.
    """

    def __init__(
        self,
        url: str,
        queue: topology.Queue,
        decoder: Decoder[E],
        handle: Handle[E],
        is_transient: Callable[[BaseException], bool],
        *,
        program: str,
        max_events: int = 200,
    ) -> None:
        self._url = url
        self._queue = queue
        self._decoder = decoder
        self._handle = handle
        self._is_transient = is_transient
        self._purpose = f"{program} consumer"
        self._max_events = max_events

    async def run(self) -> None:
        """Consumes until cancelled, whatever broker and database do meanwhile."""
        await keep_connected(self._url, self._purpose, self._session)

    async def _session(self, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        # A batch at most is at work and another waits; a message has one event at rest.
        await channel.set_qos(prefetch_count=2 * self._max_events)
        [queue] = await topology.declare(channel, self._queue)
        inflow = _Inflow()
        channel.close_callbacks.add(inflow.end)
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(inflow.end)
        await queue.consume(inflow.put)
        acknowledge = _Acknowledger()
        while True:
            messages, events, rejected = await self._take(inflow)
            await self._set_aside(channel, rejected)
            await self._settle(channel, events, messages)
            await acknowledge(messages)
            _events.labels(self._queue.name).inc(len(events))
            _batch.labels(self._queue.name).observe(len(events))

    async def _take(self, inflow: "_Inflow") -> tuple[list[AbstractIncomingMessage], list[E], list[Rejected]]:
        """Waits for one message, then takes what else is there."""
        messages: list[AbstractIncomingMessage] = []
        events: list[E] = []
        rejected: list[Rejected] = []
        message: AbstractIncomingMessage | None = await inflow.wait()
        while message is not None:
            good, bad = self._decoder.decode(message.body)
            messages.append(message)
            events += good
            rejected += bad
            message = inflow.take() if len(events) < self._max_events else None
        return messages, events, rejected

    async def _settle(
        self, channel: AbstractChannel, events: list[E], messages: list[AbstractIncomingMessage]
    ) -> None:
        fault = await self._try(channel, events, messages)
        if fault is None:
            return
        if len(events) > 1:
            middle = len(events) // 2
            await self._settle(channel, events[:middle], messages)
            await self._settle(channel, events[middle:], messages)
            return
        reason = f"the event could not be processed: {fault!r}"
        await self._set_aside(channel, [Rejected(self._original(events[0], messages), reason)])

    async def _try(
        self, channel: AbstractChannel, events: list[E], messages: list[AbstractIncomingMessage]
    ) -> Exception | None:
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
                _held.labels(self._queue.name).inc()
                _log.warning("batch_held", queue=self._queue.name, failures=failures, fault=repr(fault))
                await back_off(failures)
            else:
                originals = [Rejected(self._original(r.event, messages), r.reason) for r in refused]
                await self._set_aside(channel, originals)
                return None

    async def _set_aside(self, channel: AbstractChannel, rejected: Sequence[Rejected]) -> None:
        for body, reason in rejected:
            await dead_letters.publish(channel, self._queue, body, reason)

    def _original(self, event: CloudEvent, messages: list[AbstractIncomingMessage]) -> bytes:
        """The bytes that the event came in, with fields that this release does not know."""
        for message in messages:
            original = self._decoder.find(message.body, event)
            if original is not None:
                return original
        raise LookupError(f"event {event.id} is in none of the messages it came from")


class _Inflow:
    """What the broker has delivered and nobody has taken; bounded by the prefetch count."""

    def __init__(self) -> None:
        self._messages: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()

    async def put(self, message: AbstractIncomingMessage) -> None:
        self._messages.put_nowait(message)

    def end(self, *_: object) -> None:
        """The channel closed, or the broker cancelled the consumer: the session is over."""
        self._messages.put_nowait(None)

    async def wait(self) -> AbstractIncomingMessage:
        message = await self._messages.get()
        if message is None:
            raise ConnectionResetError("the broker closed the channel or cancelled the consumer")
        return message

    def take(self) -> AbstractIncomingMessage | None:
        """What is there already; None when nothing is. The end of the session stays for `wait` to see."""
        if self._messages.empty():
            return None
        message = self._messages.get_nowait()
        if message is None:
            self.end()
        return message


class _Acknowledger:
    """Acknowledges messages, all at once when they are just the next ones of the channel."""

    def __init__(self) -> None:
        self._last = 0

    async def __call__(self, messages: list[AbstractIncomingMessage]) -> None:
        tags = [message.delivery_tag or 0 for message in messages]
        if tags == list(range(self._last + 1, self._last + 1 + len(tags))):
            await messages[-1].ack(multiple=True)
        else:
            for message in messages:
                await message.ack()
        self._last = max(self._last, *tags)
