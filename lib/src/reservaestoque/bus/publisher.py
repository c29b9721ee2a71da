"""Publishes with confirms: once a call returns without an error, a majority of the queue's nodes has the message."""

import asyncio
from collections.abc import Iterable

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractExchange

from reservaestoque.bus import queue_time, topology
from reservaestoque.bus.connection import ANSWER_TIMEOUT, FAULTS, Connection, keep_connected, side_by_side
from reservaestoque.events import CONTENT_TYPE

BLOCKED = "the broker accepts no messages for now: its memory or disk is running out"


class NotPublishedError(Exception):
    """The broker is unreachable, blocks publishers, confirms too late, refuses the message or has no queue for it."""


class Publisher:
    """Publishes to the exchange that feeds `queue`, on the connection that `run` keeps open.

    A broker that has not confirmed after `confirm_timeout` seconds is considered gone, and its connection is dropped.
    """

    def __init__(
        self, url: str, queue: topology.Queue, program: str, *, confirm_timeout: float = ANSWER_TIMEOUT
    ) -> None:
        self._url = url
        self._queue = queue
        self._purpose = f"{program} relay"
        self._confirm_timeout = confirm_timeout
        self._open: tuple[Connection, AbstractExchange] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection to publish on, to a broker that currently accepts messages."""
        return self._open is not None and not self._open[0].blocked

    async def run(self) -> None:
        """Keeps a connection to the broker open until cancelled."""
        await keep_connected(self._url, self._purpose, self._session)

    async def _session(self, connection: Connection) -> None:
        with connection.deadline(ANSWER_TIMEOUT):
            # An unroutable message is returned (mandatory): the consumer has not declared its queue yet.
            channel: AbstractChannel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            exchange = await topology.declare_exchange(channel, self._queue.exchange)
        self._open = connection, exchange
        try:
            await channel.closed()
        finally:
            self._open = None

    async def publish(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publishes (type, body) pairs concurrently and returns when all are confirmed.

        Raises NotPublishedError when one is not: then any of them may or may not have been delivered. A message that
        the broker returns does not end the wait for the others: the client library breaks its channel when a message
        is returned after its publisher was cancelled.
        """
        if self._open is None:
            raise NotPublishedError("there is no connection to the broker")
        connection, exchange = self._open
        if connection.blocked:
            raise NotPublishedError(BLOCKED)
        faults: list[Exception] = []
        try:
            async with asyncio.timeout(self._confirm_timeout):
                await side_by_side(_publish(exchange, kind, body, faults) for kind, body in messages)
        except TimeoutError as late:
            # A blocked connection is kept: the broker would not notice its close, and each retry would add another.
            if connection.blocked:
                raise NotPublishedError(BLOCKED) from late
            connection.abort()
            raise NotPublishedError("the broker did not confirm in time") from late
        except asyncio.InvalidStateError as broken:  # as above: a message was returned after an earlier timeout
            connection.abort()
            raise NotPublishedError("the channel is broken") from broken
        except FAULTS as fault:
            raise NotPublishedError(repr(fault)) from fault
        if faults:
            raise NotPublishedError(repr(faults[0])) from faults[0]


async def _publish(exchange: AbstractExchange, kind: str, body: bytes, faults: list[Exception]) -> None:
    try:
        await exchange.publish(message_of(kind, body), routing_key=kind, mandatory=True)
    except FAULTS as fault:
        faults.append(fault)


def message_of(kind: str, body: bytes) -> Message:
    """A persistent message of events of this type, published now."""
    return Message(
        body,
        headers=queue_time.stamp(),
        content_type=CONTENT_TYPE,
        delivery_mode=DeliveryMode.PERSISTENT,
        type=kind,
    )
