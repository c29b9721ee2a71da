"""The dead-letter tool on a real RabbitMQ: viewing takes nothing, moving loses nothing, errors are sentences."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import ChannelPreconditionFailed

from local_system import System
from reservaestoque.bus import ESTOQUE_PEDIDOS, QUEUES, dead_letters, topology
from reservaestoque.dlq.box import Box
from reservaestoque.dlq.letter import Choice
from reservaestoque.events import CancelarPedido, PedidoCancelado, encode_batches, new_id

pytestmark = pytest.mark.integration

QUEUE = ESTOQUE_PEDIDOS


def an_event() -> CancelarPedido:
    pedido = new_id()
    data = PedidoCancelado(pedido_id=pedido)
    return CancelarPedido(id=new_id(), source="/t", subject=pedido, time=datetime.now(UTC), data=data)


def body(*events: CancelarPedido) -> bytes:
    [(_, body)] = encode_batches(events)
    return body


@pytest.fixture
async def channel(backing: System) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(backing.amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await topology.declare(channel, *QUEUES)
        yield channel
        for queue in QUEUES:
            for name in (queue.name, queue.dead_letters):
                await channel.queue_delete(name)


async def separate(channel: AbstractChannel, reasons: Sequence[str]) -> list[CancelarPedido]:
    """Dead-letters events, one for each reason."""
    events = [an_event() for _ in reasons]
    for one, reason in zip(events, reasons, strict=True):
        await dead_letters.publish(channel, QUEUE, body(one), reason)
    return events


async def take(channel: AbstractChannel, name: str) -> list[bytes]:
    """Takes all messages of a queue."""
    queue = await channel.get_queue(name)
    bodies = []
    while (message := await queue.get(fail=False, no_ack=True)) is not None:
        bodies.append(message.body)
    return bodies


def dlq(backing: System, *words: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reservaestoque.dlq", *words],
        env={**os.environ, "AMQP_URL": backing.amqp_url if url is None else url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_viewing_sixty_times_leaves_every_letter_in_place(backing: System, channel: AbstractChannel):
    events = await separate(channel, ["a", "b", "c"])
    for turn in range(30):
        async with await aio_pika.connect(backing.amqp_url) as connection:
            box = Box(await connection.channel(), QUEUE)
            await box.peek(Choice(), limit=turn % 3)
            letters = await box.peek(Choice())
            assert [(c.position, c.reason, c.events[0].id) for c in letters] == [
                (n, reason, str(one.id)) for n, (reason, one) in enumerate(zip("abc", events, strict=True), 1)
            ]
    assert await take(channel, QUEUE.dead_letters) == [body(one) for one in events]


async def test_interrupted_viewing_loses_nothing(backing: System, channel: AbstractChannel):
    events = await separate(channel, ["a", "b"])
    connection = await aio_pika.connect(backing.amqp_url)
    box = Box(await connection.channel(), QUEUE)
    held = box._held()
    await anext(held)
    await connection.close()
    await held.aclose()
    assert sorted(await take(channel, QUEUE.dead_letters)) == sorted(body(one) for one in events)


async def test_the_delivery_limit_is_declared_explicitly(backing: System, channel: AbstractChannel):
    async with await aio_pika.connect(backing.amqp_url) as connection:
        other = await connection.channel()
        with pytest.raises(ChannelPreconditionFailed, match="x-delivery-limit"):
            await other.declare_queue(QUEUE.dead_letters, durable=True, arguments={"x-queue-type": "quorum"})


async def test_list_and_show_report_everything_and_take_nothing(backing: System, channel: AbstractChannel):
    [one, other] = await separate(channel, ["ForaDoHorizonte: too old", "KeyError"])
    listing = dlq(backing)
    assert listing.returncode == 0, listing.stderr
    rows = listing.stdout.splitlines()
    assert rows[0] == "estoque.pedidos.dlq: 2 letters"
    assert rows[1].split() == ["#", "SET", "ASIDE", "TYPE", "EVENT", "ORDER", "BYTES", "REASON"]
    assert rows[2].split()[3:] == [
        "CancelarPedido",
        str(one.id),
        str(one.subject),
        str(len(body(one))),
        "ForaDoHorizonte:",
        "too",
        "old",
    ]
    assert rows[4] == "pedidos.status.dlq: 0 letters"

    short_lived = dlq(backing, "list", "--queue", "estoque.pedidos.dlq", "--limit", "1").stdout
    assert "... and 1 more" in short_lived
    assert str(other.id) not in short_lived
    assert "pedidos.status" not in short_lived

    [letter] = json.loads(dlq(backing, "show", "estoque.pedidos", "--id", str(other.id)).stdout)
    assert letter["body"] == json.loads(body(other))
    assert (letter["position"], letter["reason"]) == (2, "KeyError")
    assert len(await take(channel, QUEUE.dead_letters)) == 2


async def test_a_reason_under_the_former_header_is_shown(backing: System, channel: AbstractChannel):
    message = aio_pika.Message(b"{}", headers={dead_letters.FORMER_REASON_HEADER: "set aside long ago"})
    await channel.default_exchange.publish(message, routing_key=QUEUE.dead_letters)
    [letter] = await Box(channel, QUEUE).peek(Choice())
    assert letter.reason == "set aside long ago"
    await take(channel, QUEUE.dead_letters)


async def test_replay_moves_the_selected_letters_back_and_leaves_the_rest(backing: System, channel: AbstractChannel):
    [a, b, c, d] = await separate(channel, ["x", "PedidoDesconhecido: none", "PedidoDesconhecido: none", "y"])
    rehearsal = dlq(backing, "replay", "estoque.pedidos", "--reason", "Desconhecido", "--dry-run")
    assert rehearsal.stdout.count("would replay") == 2
    assert await take(channel, QUEUE.name) == []

    done = dlq(backing, "replay", "estoque.pedidos", "--reason", "Desconhecido", "--type", "CancelarPedido")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "2 replayed"
    assert await take(channel, QUEUE.name) == [body(b), body(c)]

    assert dlq(backing, "replay", "estoque.pedidos", "--id", str(d.id)).stdout.splitlines()[-1] == "1 replayed"
    assert dlq(backing, "replay", "estoque.pedidos").stdout.splitlines()[-1] == "1 replayed"
    assert await take(channel, QUEUE.name) == [body(d), body(a)]
    assert await take(channel, QUEUE.dead_letters) == []


async def test_replayed_message_is_persistent_and_carries_its_type(backing: System, channel: AbstractChannel):
    await separate(channel, ["x"])
    dlq(backing, "replay", "estoque.pedidos")
    queue = await channel.get_queue(QUEUE.name)
    message = await queue.get(no_ack=True)
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.content_type == "application/cloudevents-batch+json"
    assert dead_letters.REASON_HEADER not in message.headers


async def test_a_crash_before_the_acknowledgement_leaves_a_duplicate_and_loses_nothing(
    backing: System, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
):
    [one] = await separate(channel, ["x"])

    async def dies(*_: object) -> None:
        raise ConnectionResetError("the pod was killed")

    async with await aio_pika.connect(backing.amqp_url) as connection:
        with monkeypatch.context() as now:
            now.setattr(aio_pika.IncomingMessage, "ack", dies)
            with pytest.raises(ConnectionResetError):
                await Box(await connection.channel(), QUEUE).replay(Choice(), lambda _: pytest.fail("not done"))
    assert await take(channel, QUEUE.name) == [body(one)]
    assert await take(channel, QUEUE.dead_letters) == [body(one)]


async def test_letter_that_cannot_be_delivered_stays_where_it_is(backing: System, channel: AbstractChannel):
    [one] = await separate(channel, ["x"])
    await channel.queue_delete(QUEUE.name)
    done = dlq(backing, "replay", "estoque.pedidos")
    assert done.returncode == 1
    assert "unreported letters are unchanged" in done.stderr
    assert done.stderr.count("\n") == 1
    assert await take(channel, QUEUE.dead_letters) == [body(one)]


async def test_discard_requires_a_selection_and_a_confirmation(backing: System, channel: AbstractChannel):
    [a, b] = await separate(channel, ["x", "y"])
    without_choice = dlq(backing, "discard", "estoque.pedidos", "--yes")
    assert (without_choice.returncode, "or --all" in without_choice.stderr) == (1, True)
    sem_sim = dlq(backing, "discard", "estoque.pedidos", "--id", str(a.id))
    assert sem_sim.returncode == 1
    assert str(a.id) in sem_sim.stdout
    assert "add --yes to remove 1 for good" in sem_sim.stderr
    assert dlq(backing, "discard", "estoque.pedidos", "--id", str(a.id), "--yes").returncode == 0
    assert await take(channel, QUEUE.dead_letters) == [body(b)]
    assert dlq(backing, "discard", "estoque.pedidos", "--all", "--yes").stdout == "0 discarded\n"


async def test_a_batch_dead_lettered_by_rabbitmq_is_read_and_replayed_whole(
    backing: System, channel: AbstractChannel
):
    events = [an_event(), an_event()]
    exchange = await channel.get_exchange(QUEUE.exchange)
    await exchange.publish(aio_pika.Message(body(*events)), routing_key="CancelarPedido")
    queue = await channel.get_queue(QUEUE.name)
    for _ in range(topology.DELIVERY_LIMIT + 1):
        message = await queue.get(timeout=10)
        await message.reject(requeue=True)  # equivalent to a consumer's crash
    async with await aio_pika.connect(backing.amqp_url) as connection:
        box = Box(await connection.channel(), QUEUE)
        for _ in range(100):
            letters = await box.peek(Choice())
            if letters:
                break
    [letter] = letters
    assert letter.reason == "RabbitMQ set it aside: delivery_limit in estoque.pedidos"
    assert letter.at is not None
    assert abs((datetime.now(UTC) - letter.at).total_seconds()) < 60
    assert [one.id for one in letter.events] == [str(one.id) for one in events]
    assert dlq(backing, "replay", "estoque.pedidos", "--id", str(events[1].id)).returncode == 0
    assert await take(channel, QUEUE.name) == [body(*events)]


async def test_a_missing_letter_is_reported(backing: System, channel: AbstractChannel):
    for verb in ("show", "replay", "discard"):
        done = dlq(backing, verb, "estoque.pedidos", "--id", "nothing")
        assert done.returncode == 1
        assert done.stderr == "error: no such letter among the 0 of estoque.pedidos.dlq\n"


@pytest.mark.parametrize(
    ("words", "url", "sentence"),
    [
        (["list"], "", "AMQP_URL is missing"),
        (["list"], "http://x", "AMQP_URL is missing or not an amqp"),
        (["list"], "amqp://u:secret@127.0.0.1:1/", "the broker is unreachable or refuses"),
        (["show", "nothing"], None, "there is no queue 'nothing'; there are estoque.pedidos and pedidos.status"),
        (["list", "--limit", "0"], None, "'0' is not a number of 1 or more"),
        (["list"], None, "the broker has no queue estoque.pedidos.dlq"),
    ],
)
def test_errors_are_one_sentence(backing: System, words: list[str], url: str | None, sentence: str):
    done = dlq(backing, *words, url=url)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_wrong_password_is_one_sentence_too(backing: System):
    wrong = backing.amqp_url.replace("reserva:", "reserva:x")
    done = dlq(backing, "list", url=wrong)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
