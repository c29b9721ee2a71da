"""Exchanges and queues. Each program declares the ones named after it; repeated declarations change nothing.

Its broker user therefore needs no rights to change or delete those of another program.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractQueue

DELIVERY_LIMIT = 20

DEAD_LETTER_DELIVERY_LIMIT = 1_000_000_000
"""Number of times that a dead letter may be viewed and requeued. By default RabbitMQ 4 drops it after 20. There, -1
removes the limit; on 3.x it would allow none (rabbitmq.com/docs/quorum-queues, poison message handling).
"""


class Exchange(StrEnum):
    """Topic exchanges, one for each service that publishes; the routing key is the event's type."""

    PEDIDOS = "pedidos"
    ESTOQUE = "estoque"


@dataclass(frozen=True)
class Queue:
    """A quorum queue, the exchange and event types that feed it, and its dead-letter queue `<name>.dlq`.

    The name is the consuming program, a dot, and what the queue holds.
    """

    name: str
    exchange: Exchange
    types: tuple[str, ...]

    @property
    def dead_letters(self) -> str:
        """The name of the dead-letter queue."""
        return f"{self.name}.dlq"

    @property
    def consumer(self) -> str:
        """The program that consumes it."""
        return self.name.partition(".")[0]

    @property
    def dead_letter_arguments(self) -> dict[str, Any]:
        """Nothing leaves the dead-letter queue on its own, however often it is viewed."""
        return {"x-queue-type": "quorum", "x-delivery-limit": DEAD_LETTER_DELIVERY_LIMIT}

    @property
    def arguments(self) -> dict[str, Any]:
        """RabbitMQ moves a message to the dead letters on its own only after DELIVERY_LIMIT crashes of its consumer.

        At-least-once dead-lettering requires `reject-publish` (rabbitmq.com/docs/quorum-queues).
        """
        return {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead_letters,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }


ESTOQUE_PEDIDOS = Queue(
    "estoque.pedidos", Exchange.PEDIDOS, ("PedidoCriado", "FecharPedido", "CancelarPedido", "ReservarPedido")
)
PEDIDOS_STATUS = Queue("pedidos.status", Exchange.ESTOQUE, ("AtualizarStatus",))
QUEUES = (ESTOQUE_PEDIDOS, PEDIDOS_STATUS)


async def declare_exchange(channel: AbstractChannel, exchange: Exchange) -> AbstractExchange:
    """Declares the exchange that a program publishes to."""
    return await channel.declare_exchange(exchange, ExchangeType.TOPIC, durable=True)


async def declare_queue(channel: AbstractChannel, queue: Queue) -> AbstractQueue:
    """Declares a queue that a program consumes, with its dead-letter queue and bindings.

    Raises aio_pika.exceptions.ChannelNotFoundEntity until the publishing program has declared its exchange.
    """
    exchange = await channel.declare_exchange(queue.exchange, passive=True)
    await channel.declare_queue(queue.dead_letters, durable=True, arguments=queue.dead_letter_arguments)
    own = await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
    for kind in queue.types:
        await own.bind(exchange, routing_key=kind)
    return own


async def declare(channel: AbstractChannel, *queues: Queue) -> list[AbstractQueue]:
    """Declares both sides of these queues, as an administrator may; returns them in the order given."""
    declared = []
    for queue in queues:
        await declare_exchange(channel, queue.exchange)
        declared.append(await declare_queue(channel, queue))
    return declared
