"""The bus on a real RabbitMQ: nothing is lost, and poison is set aside alone."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from prometheus_client import REGISTRY
from waiting import until

from local_system import System
from reservaestoque.bus import BatchConsumer, Exchange, NotPublishedError, Publisher, Queue, Unprocessable, topology
from reservaestoque.bus.dead_letters import REASON_HEADER
from reservaestoque.bus.queue_time import PUBLISHED_HEADER
from reservaestoque.events import (
    CancelarPedido,
    Comando,
    Decoder,
    PedidoCancelado,
    encode_batches,
    new_id,
)

pytestmark = pytest.mark.integration

QUEUE = Queue("testes.bus", Exchange.PEDIDOS, ("CancelarPedido",))


def an_event() -> CancelarPedido:
    pedido = new_id()
    data = PedidoCancelado(pedido_id=pedido)
    return CancelarPedido(id=new_id(), source="/t", subject=pedido, time=datetime.now(UTC), data=data)


@pytest.fixture
async def channel(backing: System) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(backing.amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await topology.declare(channel, QUEUE)
        yield channel
        for name in (QUEUE.name, QUEUE.dead_letters):
            await channel.queue_delete(name)


@contextlib.asynccontextmanager
async def running(*runs: Callable[[], object]) -> AsyncIterator[None]:
    tasks = [asyncio.ensure_future(run()) for run in runs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def publisher(backing: System, channel: AbstractChannel) -> AsyncIterator[Publisher]:
    publisher = Publisher(backing.amqp_url, QUEUE, "testes")
    async with running(publisher.run):
        await until(lambda: publisher.connected, 10)
        yield publisher


class Handler:
    """Records what was committed; fails as instructed."""

    def __init__(self) -> None:
        self.committed: list[Comando] = []
        self.poison: set[object] = set()
        self.refuse: set[object] = set()
        self.outages = 0
        self.calls = 0

    async def handle(self, events: Sequence[Comando]) -> Sequence[Unprocessable]:
        self.calls += 1
        if self.outages:
            self.outages -= 1
            raise ConnectionRefusedError("the database is unavailable")
        if any(event.id in self.poison for event in events):
            raise KeyError("poison")
        refused = [Unprocessable(event, "not wanted") for event in events if event.id in self.refuse]
        self.committed += [event for event in events if event.id not in self.refuse]
        return refused

    async def find_blocked(self, events: Sequence[Comando]) -> Sequence[object]:
        return ()


def consumer(
    backing: System, handler: Handler, max_events: int = 200, concurrency: int = 1
) -> BatchConsumer[Comando]:
    return BatchConsumer(
        backing.amqp_url,
        QUEUE,
        Decoder[Comando](Comando),
        handler,
        max_events=max_events,
        concurrency=concurrency,
    )


async def dead_letters(channel: AbstractChannel, count: int) -> list[AbstractIncomingMessage]:
    queue = await channel.get_queue(QUEUE.dead_letters)
    found: list[AbstractIncomingMessage] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            message = await queue.get(fail=False, no_ack=True)
            if message is not None:
                found.append(message)
            else:
                await asyncio.sleep(0.05)
    assert await queue.get(fail=False) is None
    return found


async def waiting(channel: AbstractChannel, name: str = QUEUE.name) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0


async def test_waiting_messages_are_taken_in_batches_and_acknowledged(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    events = [an_event() for _ in range(450)]
    await publisher.publish(encode_batches(events[:400]))
    for event in events[400:]:
        await publisher.publish(encode_batches([event]))
    handler = Handler()
    async with running(consumer(backing, handler).run):
        await until(lambda: len(handler.committed) == 450, 10)
    assert handler.committed == events
    assert handler.calls < 20
    await asyncio.sleep(0.2)
    assert await waiting(channel) == 0


async def test_queue_time_is_measured_only_for_messages_with_a_publish_time(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    def measured(name: str) -> float:
        return REGISTRY.get_sample_value(f"consumer_queue_seconds_{name}", {"queue": QUEUE.name}) or 0

    count, total = measured("count"), measured("sum")
    await publisher.publish(encode_batches([an_event()]))
    exchange = await channel.get_exchange(QUEUE.exchange)
    for headers in ({}, {PUBLISHED_HEADER: "yesterday"}):
        [(kind, body)] = encode_batches([an_event()])
        await exchange.publish(aio_pika.Message(body, headers=headers), routing_key=kind)
    await asyncio.sleep(0.5)
    handler = Handler()
    async with running(consumer(backing, handler).run):
        await until(lambda: len(handler.committed) == 3, 10)
    assert measured("count") - count == 1
    assert 0.4 < measured("sum") - total < 30


@pytest.mark.parametrize("body", [b"\xff garbage", b"{}", b"[42]", b"[" * 5000])
async def test_garbage_goes_to_the_dead_letters_with_the_reason(
    backing: System, channel: AbstractChannel, publisher: Publisher, body: bytes
):
    handler = Handler()
    good = an_event()
    exchange = await channel.get_exchange(QUEUE.exchange)
    await exchange.publish(aio_pika.Message(body), routing_key="CancelarPedido")
    await publisher.publish(encode_batches([good]))
    async with running(consumer(backing, handler).run):
        [dead] = await dead_letters(channel, 1)
        await until(lambda: handler.committed == [good], 10)
    assert dead.body == body
    assert "not" in str(dead.headers[REASON_HEADER])


async def test_poison_is_set_aside_alone_with_every_field_it_had(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    events = [an_event() for _ in range(9)]
    [(kind, body)] = encode_batches(events)
    batch = json.loads(body)
    batch[4]["futuro"] = "a field of a later release"
    handler = Handler()
    handler.poison = {events[4].id}
    await publisher.publish([(kind, json.dumps(batch).encode())])
    async with running(consumer(backing, handler).run):
        [dead] = await dead_letters(channel, 1)
        await until(lambda: len(handler.committed) == 8, 10)
    assert json.loads(dead.body) == [batch[4]]
    assert "poison" in str(dead.headers[REASON_HEADER])
    assert handler.committed == events[:4] + events[5:]


async def test_fields_of_a_newer_version_are_accepted(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    event = an_event()
    [(kind, body)] = encode_batches([event])
    [newer] = json.loads(body)
    newer |= {"dataschema": "/v2", "data": {**newer["data"], "canal": {"nome": "loja"}}}
    handler = Handler()
    await publisher.publish([(kind, json.dumps([newer]).encode())])
    async with running(consumer(backing, handler).run):
        await until(lambda: handler.committed == [event], 10)
    assert await waiting(channel, QUEUE.dead_letters) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"type": "AtualizarStatus"},
        {"type": None},
        {"id": 42},
        {"time": "2026-11-24T12:00:00"},
        {"data": {"pedidoId": "not-an-id"}},
        {"specversion": "0.3"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_event_of_a_wrong_type_or_with_a_wrong_field_goes_to_the_dead_letters_alone(
    backing: System, channel: AbstractChannel, publisher: Publisher, change: dict[str, object]
):
    events = [an_event(), an_event()]
    [(kind, body)] = encode_batches(events)
    [first, second] = json.loads(body)
    handler = Handler()
    await publisher.publish([(kind, json.dumps([first | change, second]).encode())])
    async with running(consumer(backing, handler).run):
        [dead] = await dead_letters(channel, 1)
        await until(lambda: handler.committed == events[1:], 10)
    assert json.loads(dead.body) == [first | change]
    assert str(dead.headers[REASON_HEADER]).startswith("not an event of this queue")


async def test_refused_events_are_set_aside_with_their_reason(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    events = [an_event(), an_event()]
    handler = Handler()
    handler.refuse = {events[0].id}
    await publisher.publish(encode_batches(events))
    async with running(consumer(backing, handler).run):
        [dead] = await dead_letters(channel, 1)
    assert json.loads(dead.body)[0]["id"] == str(events[0].id)
    assert dead.headers[REASON_HEADER] == "not wanted"
    assert handler.committed == [events[1]]


async def test_a_transient_fault_holds_the_batch_and_loses_nothing(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    events = [an_event() for _ in range(5)]
    handler = Handler()
    handler.outages = 3
    await publisher.publish(encode_batches(events))
    async with running(consumer(backing, handler).run):
        await until(lambda: handler.committed == events, 10)
    assert await waiting(channel, QUEUE.dead_letters) == 0


async def test_unacknowledged_messages_go_to_the_next_consumer(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    event = an_event()
    stuck = Handler()
    stuck.outages = 10**9
    await publisher.publish(encode_batches([event]))
    async with running(consumer(backing, stuck).run):
        await until(lambda: stuck.calls > 0, 10)
    handler = Handler()
    async with running(consumer(backing, handler).run):
        await until(lambda: handler.committed == [event], 10)


async def test_a_batch_that_overtakes_another_acknowledges_only_its_own_messages(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    """The older of two batches in progress is stuck: its messages are redelivered when the consumer has gone."""
    old, *new = [an_event() for _ in range(5)]

    class Stuck(Handler):
        async def handle(self, events: Sequence[Comando]) -> Sequence[Unprocessable]:
            if old in events:
                self.calls += 1
                await asyncio.Event().wait()
            return await super().handle(events)

    stuck, handler = Stuck(), Handler()
    await publisher.publish(encode_batches([old]))
    async with running(consumer(backing, stuck, 1, concurrency=2).run):
        await until(lambda: stuck.calls == 1, 10)
        for event in new:
            await publisher.publish(encode_batches([event]))
        await until(lambda: stuck.committed == new, 10)
        await asyncio.sleep(0.3)  # for the acknowledgements
    async with running(consumer(backing, handler).run):
        await until(lambda: handler.committed != [], 10)
        await asyncio.sleep(0.2)
    assert handler.committed == [old]


async def test_consumer_recovers_when_its_queue_was_deleted(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    handler = Handler()
    async with running(consumer(backing, handler).run):
        await publisher.publish(encode_batches([an_event()]))
        await until(lambda: len(handler.committed) == 1, 10)
        await channel.queue_delete(QUEUE.name)
        async with asyncio.timeout(10):
            while len(handler.committed) < 2:  # messages published meanwhile may have gone to others only
                with contextlib.suppress(NotPublishedError):
                    await publisher.publish(encode_batches([an_event()]))
                await asyncio.sleep(0.05)


async def test_publishing_an_unroutable_message_fails(
    backing: System, channel: AbstractChannel, publisher: Publisher
):
    with pytest.raises(NotPublishedError):
        await publisher.publish([("NobodyListens", b"[]")])
    await publisher.publish(encode_batches([an_event()]))
    assert await waiting(channel) == 1


async def test_many_unroutable_messages_leave_the_connection_intact(
    channel: AbstractChannel, publisher: Publisher, caplog: pytest.LogCaptureFixture
):
    for _ in range(10):
        with pytest.raises(NotPublishedError, match="NO_ROUTE"):
            await publisher.publish([("NobodyListens", b" " * 100_000)] * 20)
    assert publisher.connected
    await publisher.publish(encode_batches([an_event()]))
    assert await waiting(channel) == 1
    assert "InvalidStateError" not in caplog.text


async def test_without_a_broker_publishing_fails_at_once(backing: System):
    with pytest.raises(NotPublishedError, match="no connection"):
        await Publisher(backing.amqp_url, QUEUE, "testes").publish([("CancelarPedido", b"[]")])
