"""Consuming from a queue of the broker: messages in, acknowledged once `Batches` has settled them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage

from reservaestoque.bus import dead_letters, topology
from reservaestoque.bus.batches import Batches, Handle
from reservaestoque.bus.connection import keep_connected
from reservaestoque.events import CloudEvent, Decoder

E = TypeVar("E", bound=CloudEvent)


class BatchConsumer(Generic[E]):
    """Feeds the events that wait in `queue` to `handle`; see `Batches` for what becomes of them."""

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
        self._batches = Batches(queue.name, decoder, handle, is_transient, max_events=max_events)
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
        source = _Deliveries(channel, self._queue)
        channel.close_callbacks.add(source.end)
        (await channel.get_underlay_channel()).on_consumer_cancel_callbacks.add(source.end)
        await queue.consume(source.put)
        while True:
            await self._batches.settle_next(source)


class _Deliveries:
    """What the broker has delivered on a channel and nobody has taken; bounded by the prefetch count."""

    def __init__(self, channel: AbstractChannel, queue: topology.Queue) -> None:
        self._channel = channel
        self._queue = queue
        self._messages: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
        self._acknowledged = 0

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

    async def set_aside(self, body: bytes, reason: str) -> None:
        await dead_letters.publish(self._channel, self._queue, body, reason)

    async def acknowledge(self, messages: Sequence[AbstractIncomingMessage]) -> None:
        """All at once when they are just the next ones of the channel."""
        tags = [message.delivery_tag or 0 for message in messages]
        if tags == list(range(self._acknowledged + 1, self._acknowledged + 1 + len(tags))):
            await messages[-1].ack(multiple=True)
        else:
            for message in messages:
                await message.ack()
        self._acknowledged = max(self._acknowledged, *tags)
