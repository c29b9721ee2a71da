"""Measures how long messages wait in a queue: a header states their publication, and the consumer subtracts it.

AMQP's own `timestamp` has whole seconds.
"""

import time

from aio_pika.abc import AbstractIncomingMessage, HeadersType
from prometheus_client import Histogram

PUBLISHED_HEADER = "x-published-ms"

_seconds = Histogram(
    "consumer_queue_seconds",
    "From a message's publication until a consumer takes it",
    ["queue"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)


def stamp() -> HeadersType:
    """The header of a message that is published now: milliseconds since the epoch."""
    return {PUBLISHED_HEADER: time.time_ns() // 1_000_000}


def observe(queue: str, message: AbstractIncomingMessage) -> None:
    """Records how long the message waited; nothing without a readable header, as on a message of another client."""
    published = message.headers.get(PUBLISHED_HEADER)
    if isinstance(published, int):
        _seconds.labels(queue).observe(max(time.time() - published / 1000, 0))
