"""The dead-letter tool on a real RabbitMQ: looking takes nothing, moving loses nothing, errors are sentences."""

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

FILA = ESTOQUE_PEDIDOS


def evento() -> CancelarPedido:
    pedido = new_id()
    dados = PedidoCancelado(pedido_id=pedido)
    return CancelarPedido(id=new_id(), source="/t", subject=pedido, time=datetime.now(UTC), data=dados)


def corpo(*eventos: CancelarPedido) -> bytes:
    [(_, body)] = encode_batches(eventos)
    return body


@pytest.fixture
async def channel(backing: System) -> AsyncIterator[AbstractChannel]:
    async with await aio_pika.connect(backing.amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        await topology.declare(channel, *QUEUES)
        yield channel
        for fila in QUEUES:
            for nome in (fila.name, fila.dead_letters):
                await channel.queue_delete(nome)


async def separar(channel: AbstractChannel, motivos: Sequence[str]) -> list[CancelarPedido]:
    """Sets events aside, one for each reason."""
    eventos = [evento() for _ in motivos]
    for um, motivo in zip(eventos, motivos, strict=True):
        await dead_letters.publish(channel, FILA, corpo(um), motivo)
    return eventos


async def tirar(channel: AbstractChannel, nome: str) -> list[bytes]:
    """Takes all messages of a queue."""
    fila = await channel.get_queue(nome)
    corpos = []
    while (mensagem := await fila.get(fail=False, no_ack=True)) is not None:
        corpos.append(mensagem.body)
    return corpos


def dlq(backing: System, *palavras: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reservaestoque.dlq", *palavras],
        env={**os.environ, "AMQP_URL": backing.amqp_url if url is None else url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_sixty_looks_leave_every_letter_in_its_place(backing: System, channel: AbstractChannel):
    eventos = await separar(channel, ["a", "b", "c"])
    for vez in range(30):
        async with await aio_pika.connect(backing.amqp_url) as connection:
            box = Box(await connection.channel(), FILA)
            await box.look(Choice(), limit=vez % 3)
            cartas = await box.look(Choice())
            assert [(c.position, c.reason, c.events[0].id) for c in cartas] == [
                (n, motivo, str(um.id)) for n, (motivo, um) in enumerate(zip("abc", eventos, strict=True), 1)
            ]
    assert await tirar(channel, FILA.dead_letters) == [corpo(um) for um in eventos]


async def test_a_look_that_is_cut_short_loses_nothing(backing: System, channel: AbstractChannel):
    eventos = await separar(channel, ["a", "b"])
    connection = await aio_pika.connect(backing.amqp_url)
    box = Box(await connection.channel(), FILA)
    held = box._held()
    await anext(held)
    await connection.close()
    await held.aclose()
    assert sorted(await tirar(channel, FILA.dead_letters)) == sorted(corpo(um) for um in eventos)


async def test_limit_of_deliveries_is_declared_explicitly(backing: System, channel: AbstractChannel):
    async with await aio_pika.connect(backing.amqp_url) as connection:
        outro = await connection.channel()
        with pytest.raises(ChannelPreconditionFailed, match="x-delivery-limit"):
            await outro.declare_queue(FILA.dead_letters, durable=True, arguments={"x-queue-type": "quorum"})


async def test_list_and_show_say_everything_and_take_nothing(backing: System, channel: AbstractChannel):
    [um, outro] = await separar(channel, ["ForaDoHorizonte: too old", "KeyError"])
    lista = dlq(backing)
    assert lista.returncode == 0, lista.stderr
    linhas = lista.stdout.splitlines()
    assert linhas[0] == "estoque.pedidos.dlq: 2 letters"
    assert linhas[1].split() == ["#", "SET", "ASIDE", "TYPE", "EVENT", "ORDER", "BYTES", "REASON"]
    assert linhas[2].split()[3:] == [
        "CancelarPedido",
        str(um.id),
        str(um.subject),
        str(len(corpo(um))),
        "ForaDoHorizonte:",
        "too",
        "old",
    ]
    assert linhas[4] == "pedidos.status.dlq: 0 letters"

    curta = dlq(backing, "list", "--queue", "estoque.pedidos.dlq", "--limit", "1").stdout
    assert "... and 1 more" in curta
    assert str(outro.id) not in curta
    assert "pedidos.status" not in curta

    [carta] = json.loads(dlq(backing, "show", "estoque.pedidos", "--id", str(outro.id)).stdout)
    assert carta["body"] == json.loads(corpo(outro))
    assert (carta["position"], carta["reason"]) == (2, "KeyError")
    assert len(await tirar(channel, FILA.dead_letters)) == 2


async def test_replay_moves_the_chosen_ones_back_and_leaves_the_others(backing: System, channel: AbstractChannel):
    [a, b, c, d] = await separar(channel, ["x", "PedidoDesconhecido: none", "PedidoDesconhecido: none", "y"])
    ensaio = dlq(backing, "replay", "estoque.pedidos", "--reason", "Desconhecido", "--dry-run")
    assert ensaio.stdout.count("would replay") == 2
    assert await tirar(channel, FILA.name) == []

    feito = dlq(backing, "replay", "estoque.pedidos", "--reason", "Desconhecido", "--type", "CancelarPedido")
    assert feito.returncode == 0, feito.stderr
    assert feito.stdout.splitlines()[-1] == "2 replayed"
    assert await tirar(channel, FILA.name) == [corpo(b), corpo(c)]

    assert dlq(backing, "replay", "estoque.pedidos", "--id", str(d.id)).stdout.splitlines()[-1] == "1 replayed"
    assert dlq(backing, "replay", "estoque.pedidos").stdout.splitlines()[-1] == "1 replayed"
    assert await tirar(channel, FILA.name) == [corpo(d), corpo(a)]
    assert await tirar(channel, FILA.dead_letters) == []


async def test_replayed_message_is_persistent_and_says_what_it_is(backing: System, channel: AbstractChannel):
    await separar(channel, ["x"])
    dlq(backing, "replay", "estoque.pedidos")
    fila = await channel.get_queue(FILA.name)
    mensagem = await fila.get(no_ack=True)
    assert mensagem.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert mensagem.content_type == "application/cloudevents-batch+json"
    assert dead_letters.REASON_HEADER not in mensagem.headers


async def test_a_crash_before_the_acknowledgement_leaves_two_and_loses_none(
    backing: System, channel: AbstractChannel, monkeypatch: pytest.MonkeyPatch
):
    [um] = await separar(channel, ["x"])

    async def morre(*_: object) -> None:
        raise ConnectionResetError("the pod was killed")

    async with await aio_pika.connect(backing.amqp_url) as connection:
        with monkeypatch.context() as agora:
            agora.setattr(aio_pika.IncomingMessage, "ack", morre)
            with pytest.raises(ConnectionResetError):
                await Box(await connection.channel(), FILA).replay(Choice(), lambda _: pytest.fail("not done"))
    assert await tirar(channel, FILA.name) == [corpo(um)]
    assert await tirar(channel, FILA.dead_letters) == [corpo(um)]


async def test_letter_that_cannot_be_delivered_stays_where_it_is(backing: System, channel: AbstractChannel):
    [um] = await separar(channel, ["x"])
    await channel.queue_delete(FILA.name)
    feito = dlq(backing, "replay", "estoque.pedidos")
    assert feito.returncode == 1
    assert "what was not done is as it was" in feito.stderr
    assert feito.stderr.count("\n") == 1
    assert await tirar(channel, FILA.dead_letters) == [corpo(um)]


async def test_discard_wants_a_choice_and_a_yes(backing: System, channel: AbstractChannel):
    [a, b] = await separar(channel, ["x", "y"])
    sem_escolha = dlq(backing, "discard", "estoque.pedidos", "--yes")
    assert (sem_escolha.returncode, "or --all" in sem_escolha.stderr) == (1, True)
    sem_sim = dlq(backing, "discard", "estoque.pedidos", "--id", str(a.id))
    assert sem_sim.returncode == 1
    assert str(a.id) in sem_sim.stdout
    assert "add --yes to remove 1 for good" in sem_sim.stderr
    assert dlq(backing, "discard", "estoque.pedidos", "--id", str(a.id), "--yes").returncode == 0
    assert await tirar(channel, FILA.dead_letters) == [corpo(b)]
    assert dlq(backing, "discard", "estoque.pedidos", "--all", "--yes").stdout == "0 discarded\n"


async def test_batch_that_rabbitmq_gave_up_on_is_understood_and_replayed_whole(
    backing: System, channel: AbstractChannel
):
    eventos = [evento(), evento()]
    troca = await channel.get_exchange(FILA.exchange)
    await troca.publish(aio_pika.Message(corpo(*eventos)), routing_key="CancelarPedido")
    fila = await channel.get_queue(FILA.name)
    for _ in range(topology.DELIVERY_LIMIT + 1):
        mensagem = await fila.get(timeout=10)
        await mensagem.reject(requeue=True)  # what a consumer's crash amounts to
    async with await aio_pika.connect(backing.amqp_url) as connection:
        box = Box(await connection.channel(), FILA)
        for _ in range(100):
            cartas = await box.look(Choice())
            if cartas:
                break
    [carta] = cartas
    assert carta.reason == "RabbitMQ set it aside: delivery_limit in estoque.pedidos"
    assert carta.at is not None
    assert abs((datetime.now(UTC) - carta.at).total_seconds()) < 60
    assert [um.id for um in carta.events] == [str(um.id) for um in eventos]
    assert dlq(backing, "replay", "estoque.pedidos", "--id", str(eventos[1].id)).returncode == 0
    assert await tirar(channel, FILA.name) == [corpo(*eventos)]


async def test_letter_that_is_not_there_is_said_to_be(backing: System, channel: AbstractChannel):
    for verbo in ("show", "replay", "discard"):
        feito = dlq(backing, verbo, "estoque.pedidos", "--id", "nada")
        assert feito.returncode == 1
        assert feito.stderr == "error: no such letter among the 0 of estoque.pedidos.dlq\n"


@pytest.mark.parametrize(
    ("palavras", "url", "frase"),
    [
        (["list"], "", "AMQP_URL is missing"),
        (["list"], "http://x", "AMQP_URL is missing or no amqp"),
        (["list"], "amqp://u:segredo@127.0.0.1:1/", "the broker is away or refuses"),
        (["show", "nada"], None, "there is no queue 'nada'; there are estoque.pedidos and pedidos.status"),
        (["list", "--limit", "0"], None, "'0' is no number from 1 up"),
        (["list"], None, "the broker has no queue estoque.pedidos.dlq"),
    ],
)
def test_errors_are_one_sentence(backing: System, palavras: list[str], url: str | None, frase: str):
    feito = dlq(backing, *palavras, url=url)
    assert feito.returncode in (1, 2)
    assert frase in feito.stderr.splitlines()[-1]
    assert "Traceback" not in feito.stderr
    assert "segredo" not in feito.stderr


def test_wrong_password_is_one_sentence_too(backing: System):
    errada = backing.amqp_url.replace("reserva:", "reserva:x")
    feito = dlq(backing, "list", url=errada)
    assert (feito.returncode, feito.stderr.count("\n")) == (1, 1)
