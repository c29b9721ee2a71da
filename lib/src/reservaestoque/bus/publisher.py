"""Publishing with confirms: what returns without an error is in the queue, on a majority of its nodes."""

from collections.abc import Iterable

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange

from reservaestoque.bus import topology
from reservaestoque.bus.connection import FAULTS, keep_connected, side_by_side
from reservaestoque.events import CONTENT_TYPE

CONFIRM_TIMEOUT = 10.0


class NotPublishedError(Exception):
    """The broker is away, did not confirm in time, refused the message, or has no queue for it."""


class Publisher:
    """Publishes to the exchange that feeds `queue`, on the connection that `run` holds."""

    def __init__(self, url: str, queue: topology.Queue, program: str) -> None:
        self._url = url
        self._queue = queue
        self._purpose = f"{program} relay"
        self._exchange: AbstractExchange | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection to publish on now."""
        return self._exchange is not None

    async def run(self) -> None:
        """Keeps a connection to the broker until cancelled."""
        await keep_connected(self._url, self._purpose, self._session)

    async def _session(self, connection: AbstractConnection) -> None:
        # A message without a queue is an error of ours and comes back as one (mandatory).
        channel: AbstractChannel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        await topology.declare(channel, self._queue)
        self._exchange = await channel.get_exchange(self._queue.exchange, ensure=False)
        try:
            await channel.closed()
        finally:
            self._exchange = None

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publishes (type, body) pairs side by side and returns when all of them are confirmed.

        Raises NotPublishedError when one is not: then any of them may have arrived or not.
        """
        exchange = self._exchange
        if exchange is None:
            raise NotPublishedError("there is no connection to the broker")
        try:
            await side_by_side(_publish(exchange, kind, body) for kind, body in messages)
        except FAULTS as fault:
            raise NotPublishedError(repr(fault)) from fault


async def _publish(exchange: AbstractExchange, kind: str, body: bytes) -> None:
    message = Message(body, content_type=CONTENT_TYPE, delivery_mode=DeliveryMode.PERSISTENT, type=kind)
    await exchange.publish(message, routing_key=kind, mandatory=True, timeout=CONFIRM_TIMEOUT)
