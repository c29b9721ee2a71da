"""Consumes a queue of the broker: messages are acknowledged once `Batches` has settled them."""

import asyncio
import math
from collections.abc import Sequence
from typing import Generic, TypeVar

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from reservaestoque.bus import dead_letters, queue_time, topology
from reservaestoque.bus.batches import Batches, Handler
from reservaestoque.bus.connection import ANSWER_TIMEOUT, Connection, keep_connected, side_by_side
from reservaestoque.bus.publisher import message_of
from reservaestoque.events import CloudEvent, Decoder

PREFETCH = 32
"""Maximum number of unacknowledged messages per consumer, so that others get their share. A message holds one event
at rest, up to 200 under load.
"""

E = TypeVar("E", bound=CloudEvent)


class BatchConsumer(Generic[E]):
    """Feeds the events waiting in `queue` to `handler`; see `Batches` for what happens to them.

    Up to `concurrency` batches are processed at once, so that one is prepared while the database writes another.
    `handler` must tolerate that, as it tolerates another replica.
    """

    def __init__(
        self,
        url: str,
        queue: topology.Queue,
        decoder: Decoder[E],
        handler: Handler[E],
        *,
        max_events: int = 400,
        concurrency: int = 1,
    ) -> None:
        self._url = url
        self._queue = queue
        self._batches = Batches(queue.name, decoder, handler, max_events=max_events)
        self._purpose = f"consumer of {queue.name}"
        self._concurrency = concurrency

    async def run(self) -> None:
        """Consumes until cancelled, through broker and database outages."""
        await keep_connected(self._url, self._purpose, self._session)

    async def _session(self, connection: Connection) -> None:
        with connection.deadline(ANSWER_TIMEOUT):
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.set_qos(prefetch_count=PREFETCH)
            queue = await topology.declare_queue(channel, self._queue)
            source = _Deliveries(connection, channel, self._queue)
            channel.close_callbacks.add(source.end)
            (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(source.end)
            await queue.consume(source.put)
        batches = [self._batches.run(source) for _ in range(self._concurrency)]
        await side_by_side([*batches, self._count_dead_letters(connection, channel)])

    async def _count_dead_letters(self, connection: Connection, channel: AbstractChannel) -> None:
        while True:
            with connection.deadline(ANSWER_TIMEOUT, unless_blocked=True):
                await dead_letters.count(channel, self._queue)
            await asyncio.sleep(dead_letters.COUNT_SECONDS)


class _Deliveries:
    """Messages delivered on a channel and not yet taken; bounded by the prefetch limit."""

    def __init__(self, connection: Connection, channel: AbstractChannel, queue: topology.Queue) -> None:
        self._connection = connection
        self._channel = channel
        self._queue = queue
        self._messages: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        self._taken: set[int] = set()

    async def put(self, message: AbstractIncomingMessage) -> None:
        self._messages.put_nowait(message)

    def end(self, *_: object) -> None:
        """The channel closed, or the broker cancelled the consumer: the session is over."""
        self._messages.put_nowait(None)

    async def wait(self, seconds: float | None) -> AbstractIncomingMessage | None:
        """None when no message arrives within `seconds`. Raises ConnectionResetError when the session is over."""
        try:
            async with asyncio.timeout(seconds):
                message = await self._messages.get()
        except TimeoutError:
            return None
        if message is None:
            self.end()  # for the other waiters
            raise ConnectionResetError("the broker closed the channel or cancelled the consumer")
        return self._mark_taken(message)

    def take(self) -> AbstractIncomingMessage | None:
        """A message that has already arrived; None when there is none. `wait` still sees the end of the session."""
        if self._messages.empty():
            return None
        message = self._messages.get_nowait()
        if message is None:
            self.end()
            return None
        return self._mark_taken(message)

    def _mark_taken(self, message: AbstractIncomingMessage) -> AbstractIncomingMessage:
        queue_time.observe(self._queue.name, message)
        self._taken.add(message.delivery_tag or 0)
        return message

    async def dead_letter(self, body: bytes, reason: str) -> None:
        with self._connection.deadline(ANSWER_TIMEOUT, unless_blocked=True):
            await dead_letters.publish(self._channel, self._queue, body, reason)

    async def put_back(self, kind: str, body: bytes) -> None:
        message = message_of(kind, body)
        with self._connection.deadline(ANSWER_TIMEOUT, unless_blocked=True):
            await self._channel.default_exchange.publish(message, routing_key=self._queue.name, mandatory=True)

    async def acknowledge(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """Sends one acknowledgement for all of them, unless that would include an older message in progress."""
        tags = {message.delivery_tag or 0 for message in messages}
        self._taken -= tags
        if min(self._taken, default=math.inf) > max(tags):
            await messages[-1].ack(multiple=True)
        else:
            for message in messages:
                await message.ack()
