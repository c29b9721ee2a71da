"""The dead letters: an event that cannot be processed is kept with the reason, never dropped."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel
from prometheus_client import Counter, Gauge

from reservaestoque.bus.topology import Queue
from reservaestoque.events import CONTENT_TYPE, UNREADABLE
from reservaestoque.telemetry import first_ids, logger

REASON_HEADER = "x-reason"
FORMER_REASON_HEADER = "x-motivo"
"""The former name of the header, which older letters still carry."""
QUEUE_HEADER = "x-queue"
_MAX_REASON = 1000

_log = logger(__name__)
COUNT_SECONDS = 5.0
"""Interval between two counts."""

_now = Gauge("consumer_dead_letter_messages", "Messages currently in the dead-letter queue", ["queue"])
_dead = Counter("consumer_dead_letters_total", "Events dead-lettered", ["queue"])


async def count(channel: AbstractChannel, queue: Queue) -> None:
    """Reads the number of dead letters from the broker into the metric. Raises what aio-pika raises."""
    declared = await channel.declare_queue(queue.dead_letters, passive=True)
    _now.labels(queue.name).set(declared.declaration_result.message_count or 0)


async def publish(channel: AbstractChannel, queue: Queue, body: bytes, reason: str) -> None:
    """Publishes `body` to the dead-letter queue of `queue`; returns once the broker has confirmed it.

    Raises what aio-pika raises when the broker is unreachable; by then the caller has not acknowledged the original.
    The caller sets the time limit.
    """
    message = Message(
        body,
        content_type=CONTENT_TYPE,
        delivery_mode=DeliveryMode.PERSISTENT,
        timestamp=datetime.now(UTC),
        headers={REASON_HEADER: reason[:_MAX_REASON], QUEUE_HEADER: queue.name},
    )
    await channel.default_exchange.publish(message, routing_key=queue.dead_letters, mandatory=True)
    _dead.labels(queue.name).inc()
    _log.error("event_dead_lettered", queue=queue.name, reason=reason[:_MAX_REASON], pedidos=orders_in(body))


class _Subject(msgspec.Struct):
    subject: UUID


def orders_in(body: bytes) -> list[str]:
    """The ids of the first orders that the events of a message are about; none if they cannot be read."""
    try:
        events = msgspec.json.decode(body, type=list[_Subject])
    except UNREADABLE:
        return []
    return first_ids(event.subject for event in events)
