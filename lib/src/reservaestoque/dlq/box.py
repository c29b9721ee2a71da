"""A dead-letter queue on the broker: viewing requeues every letter, and replaying loses none."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.exceptions import ChannelAccessRefused

from reservaestoque.bus.connection import ANSWER_TIMEOUT, FAULTS
from reservaestoque.bus.dead_letters import FORMER_REASON_HEADER, REASON_HEADER
from reservaestoque.bus.topology import Queue
from reservaestoque.dlq.letter import Choice, Letter, read
from reservaestoque.events import CONTENT_TYPE

REQUEUE_SECONDS = 5.0

Act = Callable[[Letter, AbstractIncomingMessage], Awaitable[None]]


class NoSuchBoxError(Exception):
    """The broker does not have this queue."""


class ForbiddenBoxError(Exception):
    """This user of the broker may not read this queue."""


class Box:
    """The dead letters of `queue`, on a dedicated channel with publisher confirms."""

    def __init__(self, channel: AbstractChannel, queue: Queue) -> None:
        self._channel = channel
        self._queue = queue
        self.count = 0

    async def peek(self, choice: Choice, limit: int | None = None) -> list[Letter]:
        """The chosen letters, only the oldest `limit`; all letters are back in place when this returns."""
        chosen: list[Letter] = []
        async with contextlib.aclosing(self._held()) as held:
            async for letter, _ in held:
                if choice(letter) and (limit is None or len(chosen) < limit):
                    chosen.append(letter)
        return chosen

    async def replay(self, choice: Choice, done: Callable[[Letter], None]) -> None:
        """Moves the chosen letters back into the queue they came from, calling `done` after each.

        A letter is acknowledged once the broker has confirmed its copy. A crash in between leaves both, and consumers
        tolerate a duplicate. Raises what aio-pika raises; letters not reported to `done` are left in place.
        """

        async def move(letter: Letter, message: AbstractIncomingMessage) -> None:
            copy = Message(
                message.body,
                content_type=message.content_type or CONTENT_TYPE,
                delivery_mode=DeliveryMode.PERSISTENT,
                type=message.type,
            )
            await self._channel.default_exchange.publish(
                copy, routing_key=self._queue.name, mandatory=True, timeout=ANSWER_TIMEOUT
            )
            await message.ack()
            done(letter)

        await self._for_chosen(choice, move)

    async def discard(self, choice: Choice, done: Callable[[Letter], None]) -> None:
        """Removes the chosen letters for good, calling `done` after each. Raises what aio-pika raises."""

        async def remove(letter: Letter, message: AbstractIncomingMessage) -> None:
            await message.ack()
            done(letter)

        await self._for_chosen(choice, remove)

    async def _for_chosen(self, choice: Choice, act: Act) -> None:
        async with contextlib.aclosing(self._held()) as held:
            async for letter, message in held:
                if choice(letter):
                    await act(letter, message)

    async def _held(self) -> AsyncGenerator[tuple[Letter, AbstractIncomingMessage], None]:
        """Every letter, held until the end; those still unacknowledged are then requeued in their original order.

        Taking only some would change the order: RabbitMQ puts returned messages behind those returned earlier. Takes
        no more letters than the queue had at the start, so it does not see a replayed letter that returns.
        """
        queue = await self._open()
        self.count = queue.declaration_result.message_count or 0
        kept = 0
        try:
            for position in range(1, self.count + 1):
                message = await self._next(queue)
                if message is None:
                    break
                at = message.timestamp.astimezone(UTC) if message.timestamp else None
                reason = message.headers.get(REASON_HEADER, message.headers.get(FORMER_REASON_HEADER))
                yield read(position, message.body, reason, message.headers, at), message
                kept += not message.processed
        finally:
            with contextlib.suppress(*FAULTS):  # without a channel the broker requeues them itself
                await self._put_back(kept)

    async def _next(self, queue: AbstractQueue) -> AbstractIncomingMessage | None:
        try:
            return await queue.get(fail=False, timeout=ANSWER_TIMEOUT)
        except ChannelAccessRefused as error:
            raise ForbiddenBoxError(self._queue.dead_letters) from error

    async def _open(self) -> AbstractQueue:
        """The queue as it is now, with the number of letters that no viewer is holding."""
        try:
            return await self._channel.declare_queue(self._queue.dead_letters, passive=True, timeout=ANSWER_TIMEOUT)
        except ChannelNotFoundEntity as error:
            raise NoSuchBoxError(self._queue.dead_letters) from error

    async def _put_back(self, kept: int) -> None:
        """Returns everything that this channel holds (delivery tag 0), and waits until `kept` letters are available.

        RabbitMQ 4.3 does not count that as a failed delivery. It does not report when it is done.
        """
        channel = await self._channel.get_underlay_channel()
        await channel.basic_nack(0, multiple=True, requeue=True)
        with contextlib.suppress(TimeoutError):  # another viewer may have taken them
            async with asyncio.timeout(REQUEUE_SECONDS):
                while ((await self._open()).declaration_result.message_count or 0) < kept:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
