"""The bus and a broker that falls silent: callers give up soon, and resume once it answers."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from broker import connection_names, memory_alarm
from waiting import until
from wire import Wire
from yarl import URL

from local_system import System
from reservaestoque.bus import BatchConsumer, Exchange, NotPublishedError, Publisher, Queue, Unprocessable, topology
from reservaestoque.bus.connection import FAULTS, open_connection
from reservaestoque.dlq.box import Box
from reservaestoque.dlq.letter import Choice
from reservaestoque.events import CancelarPedido, Comando, Decoder, PedidoCancelado, encode_batches, new_id

pytestmark = pytest.mark.integration

QUEUE = Queue("testes.outage", Exchange.PEDIDOS, ("CancelarPedido",))
SOON = 25
"""Seconds until publishing and consuming work again."""


def an_event() -> CancelarPedido:
    pedido = new_id()
    data = PedidoCancelado(pedido_id=pedido)
    return CancelarPedido(id=new_id(), source="/t", subject=pedido, time=datetime.now(UTC), data=data)


@pytest.fixture
async def wire(backing: System) -> AsyncIterator[Wire]:
    async with Wire(backing.layout.ports.rabbitmq) as wire:
        yield wire


@pytest.fixture
def url(backing: System, wire: Wire) -> str:
    """The broker, through the proxy."""
    return str(URL(backing.amqp_url).with_port(wire.port))


@pytest.fixture
async def channel(backing: System) -> AsyncIterator[AbstractChannel]:
    """A channel that bypasses the proxy."""
    async with await aio_pika.connect(backing.amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await topology.declare(channel, QUEUE)
        yield channel
        for name in (QUEUE.name, QUEUE.dead_letters):
            await channel.queue_delete(name)


@contextlib.asynccontextmanager
async def running(run: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def published(publisher: Publisher, *events: CancelarPedido) -> None:
    """Publishes as the relay does: repeatedly, until confirmed."""
    while True:
        with contextlib.suppress(NotPublishedError):
            return await publisher.publish(encode_batches(events))
        await asyncio.sleep(0.05)


class Handler:
    """Records what was committed."""

    def __init__(self) -> None:
        self.committed: list[Comando] = []

    async def handle(self, events: Sequence[Comando]) -> Sequence[Unprocessable]:
        self.committed += events
        return ()

    async def find_blocked(self, events: Sequence[Comando]) -> Sequence[object]:
        return ()


def consumer(url: str, handler: Handler) -> BatchConsumer[Comando]:
    return BatchConsumer(url, QUEUE, Decoder[Comando](Comando), handler)


async def test_events_are_published_again_soon_after_the_broker_vanished(
    wire: Wire, url: str, channel: AbstractChannel
):
    publisher = Publisher(url, QUEUE, "testes")
    async with running(publisher.run):
        await until(lambda: publisher.connected, SOON)
        wire.vanish()
        async with asyncio.timeout(SOON):
            await published(publisher, an_event())


async def test_a_publisher_whose_socket_is_full_gives_up_too(wire: Wire, url: str, channel: AbstractChannel):
    """The message exceeds what the kernel buffers for a peer that reads nothing, and nothing may wait for a flush."""
    publisher = Publisher(url, QUEUE, "testes", confirm_timeout=1)
    async with running(publisher.run):
        await until(lambda: publisher.connected, SOON)
        wire.vanish()
        with pytest.raises(NotPublishedError, match="did not confirm"):
            await publisher.publish([("CancelarPedido", bytes(1_000_000)) for _ in range(40)])
        await until(lambda: publisher.connected, SOON)
        await published(publisher, an_event())


async def test_events_are_consumed_again_soon_after_the_broker_vanished(
    wire: Wire, url: str, backing: System, channel: AbstractChannel
):
    handler = Handler()
    first, second = an_event(), an_event()
    publisher = Publisher(backing.amqp_url, QUEUE, "testes")
    async with running(publisher.run), running(consumer(url, handler).run):
        await published(publisher, first)
        await until(lambda: handler.committed == [first], SOON)
        wire.vanish()
        await published(publisher, second)
        await until(
            lambda: second in handler.committed
        )  # and perhaps the first again: its acknowledgement may be lost


async def test_connecting_to_a_silent_broker_times_out(wire: Wire, url: str):
    wire.mute()
    async with asyncio.timeout(SOON):
        with pytest.raises(FAULTS):
            async with open_connection(url, "testes"):
                pass


async def test_a_call_to_a_broker_that_does_not_answer_fails_at_the_deadline(wire: Wire, url: str):
    async with open_connection(f"{url}?heartbeat=0", "testes") as connection:
        wire.vanish()
        async with asyncio.timeout(SOON):
            with pytest.raises(FAULTS), connection.deadline(0.5):
                await connection.channel()


async def test_a_connection_ends_soon_when_the_peer_neither_answers_the_close_nor_reads(wire: Wire, url: str):
    async with asyncio.timeout(SOON):
        async with open_connection(f"{url}?heartbeat=60", "testes") as connection:
            channel = await connection.channel()
            wire.vanish()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await channel.default_exchange.publish(aio_pika.Message(bytes(40_000_000)), QUEUE.name)


async def test_a_heartbeat_set_in_the_url_is_kept(url: str):
    async with open_connection(f"{url}?heartbeat=30", "testes") as connection:
        assert connection.transport is not None
        assert connection.transport.connection.connection_tune.heartbeat == 30


async def test_during_a_memory_alarm_a_single_connection_waits_for_it_to_clear(
    backing: System, channel: AbstractChannel
):
    """The broker reads nothing from a blocked connection, so it would notice no close and keep each one."""
    publisher = Publisher(backing.amqp_url, QUEUE, "alarm", confirm_timeout=1)
    one = an_event()
    async with running(publisher.run):
        await until(lambda: publisher.connected, SOON)
        async with memory_alarm(backing):
            for _ in range(5):
                with pytest.raises(NotPublishedError, match="accepts no messages"):
                    await publisher.publish(encode_batches([one]))
                assert not publisher.connected
            names: list[str] = []
            async with asyncio.timeout(SOON):
                while "alarm relay" not in names:
                    names = await connection_names(backing)
                    await asyncio.sleep(0.5)
            assert names.count("alarm relay") == 1
        await until(lambda: publisher.connected, SOON)
        await publisher.publish(encode_batches([one]))


async def test_dead_letters_wait_on_one_connection_until_a_memory_alarm_clears(
    backing: System, wire: Wire, url: str, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("reservaestoque.bus.consumer.ANSWER_TIMEOUT", 0.5)
    exchange = await channel.get_exchange(QUEUE.exchange)
    await exchange.publish(aio_pika.Message(b"garbage"), routing_key="CancelarPedido")
    async with contextlib.AsyncExitStack() as stack:
        async with memory_alarm(backing):
            await stack.enter_async_context(running(consumer(url, Handler()).run))
            await asyncio.sleep(4)  # several times as long as it would wait for an answer
        queue = await channel.get_queue(QUEUE.dead_letters)
        async with asyncio.timeout(SOON):
            while (dead := await queue.get(fail=False, no_ack=True)) is None:
                await asyncio.sleep(0.05)
    assert dead.body == b"garbage"
    assert wire.accepted == 1


async def test_viewing_dead_letters_fails_soon_after_the_broker_vanished(
    wire: Wire, url: str, channel: AbstractChannel
):
    async with open_connection(f"{url}?heartbeat=0", "testes") as connection:
        box = Box(await connection.channel(on_return_raises=True), QUEUE)
        assert await box.peek(Choice()) == []
        wire.vanish()
        async with asyncio.timeout(SOON):
            with pytest.raises(FAULTS):
                await box.peek(Choice())


async def test_the_dead_letter_tool_reports_that_the_broker_does_not_answer(wire: Wire, url: str):
    wire.mute()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "reservaestoque.dlq", "list"),
        env={**os.environ, "AMQP_URL": url},
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SOON):
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"the broker is unreachable or refuses" in errors
