"""The rights of the services' users on the broker; everything else is refused."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused

from local_system import System
from reservaestoque.bus import ESTOQUE_PEDIDOS, PEDIDOS_STATUS, Exchange, Queue, topology

pytestmark = pytest.mark.integration

OWN = {"pedidos": PEDIDOS_STATUS, "estoque": ESTOQUE_PEDIDOS}
OTHER = {"pedidos": "estoque", "estoque": "pedidos"}


@pytest.fixture(params=list(OWN))
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def connection(backing: System, service: str) -> AsyncIterator[AbstractConnection]:
    """A connection as the service's user to a broker that has every queue."""
    async with await aio_pika.connect(backing.amqp_url) as administrator:
        await topology.declare(await administrator.channel(), *topology.QUEUES)
    async with await aio_pika.connect(backing.service_env(service)["AMQP_URL"]) as connection:
        yield connection


async def channel(connection: AbstractConnection) -> AbstractChannel:
    return await connection.channel(publisher_confirms=True, on_return_raises=True)


async def test_a_service_can_declare_publish_consume_and_dead_letter(
    backing: System, service: str, connection: AbstractConnection
):
    """The broker has none of its objects yet."""
    async with await aio_pika.connect(backing.amqp_url) as administrator:
        everything = await administrator.channel()
        for name in (OWN[service].name, OWN[service].dead_letters):
            await everything.queue_delete(name)
        await everything.exchange_delete(service)
    mine = await channel(connection)
    exchange = await topology.declare_exchange(mine, Exchange(service))
    queue = await topology.declare_queue(mine, OWN[service])
    async with await aio_pika.connect(backing.amqp_url) as administrator:
        await topology.declare(await administrator.channel(), *topology.QUEUES)  # binds the other one's queue again

    await exchange.publish(aio_pika.Message(b"[]"), routing_key=OWN[OTHER[service]].types[0], mandatory=True)
    for name in (queue.name, OWN[service].dead_letters):
        await mine.default_exchange.publish(aio_pika.Message(b"x"), routing_key=name, mandatory=True)
        message = await (await mine.get_queue(name)).get()
        assert message is not None
        await message.ack()
    async with await aio_pika.connect(backing.amqp_url) as administrator:
        await (await (await administrator.channel()).get_queue(OWN[OTHER[service]].name)).purge()


def refused(other: str, queue: Queue) -> dict[str, Any]:
    """Attempts of a service on the other service's exchange and queue, and on other objects."""
    message = aio_pika.Message(b"[]")

    async def nothing(_: object) -> None: ...

    async def publish(channel: AbstractChannel) -> None:
        exchange = await channel.get_exchange(other, ensure=False)
        await exchange.publish(message, routing_key=queue.types[0])

    async def get(channel: AbstractChannel, name: str) -> None:
        await (await channel.get_queue(name, ensure=False)).get(fail=False)

    async def consume(channel: AbstractChannel, name: str) -> None:
        await (await channel.get_queue(name, ensure=False)).consume(nothing)

    async def purge(channel: AbstractChannel, name: str) -> None:
        await (await channel.get_queue(name, ensure=False)).purge()

    async def bind(channel: AbstractChannel, name: str, source: str) -> None:
        await (await channel.get_queue(name, ensure=False)).bind(source, routing_key="#")

    foreign = {
        f"{verb} {what}": (lambda channel, act=act, name=name: act(channel, name))
        for verb, act in (("get", get), ("consume", consume), ("purge", purge))
        for what, name in (("its queue", queue.name), ("its dead letters", queue.dead_letters))
    }
    own = topology.PEDIDOS_STATUS if queue is ESTOQUE_PEDIDOS else ESTOQUE_PEDIDOS
    return {
        **foreign,
        "publish to its exchange": publish,
        "declare its exchange": lambda channel: topology.declare_exchange(channel, Exchange(other)),
        "delete its exchange": lambda channel: channel.exchange_delete(other),
        "declare its queue": lambda channel: channel.declare_queue(
            queue.name, durable=True, arguments=queue.arguments
        ),
        "delete its queue": lambda channel: channel.queue_delete(queue.name),
        "unbind its queue": lambda channel: unbind(channel, queue),
        "eavesdrop on what it publishes to": lambda channel: bind(channel, own.name, queue.exchange.value),
        "declare another queue": lambda channel: channel.declare_queue("mine", durable=True),
        "declare another exchange": lambda channel: channel.declare_exchange("mine"),
        "publish to another exchange": to_fanout,
    }


async def unbind(channel: AbstractChannel, queue: Queue) -> None:
    await (await channel.get_queue(queue.name, ensure=False)).unbind(queue.exchange.value, routing_key=queue.types[0])


async def to_fanout(channel: AbstractChannel) -> None:
    exchange = await channel.get_exchange("amq.fanout", ensure=False)
    await exchange.publish(aio_pika.Message(b"x"), routing_key="")


@pytest.mark.parametrize("attempt", list(refused("estoque", ESTOQUE_PEDIDOS)))
async def test_a_service_is_refused_everything_else_on_the_broker(
    service: str, connection: AbstractConnection, attempt: str
):
    other = OTHER[service]
    with pytest.raises(ChannelAccessRefused):
        await refused(other, OWN[other])[attempt](await channel(connection))


async def test_a_service_sees_no_other_virtual_host_and_no_management(backing: System, service: str):
    url = backing.service_env(service)["AMQP_URL"]
    with pytest.raises(aio_pika.exceptions.AMQPError):
        await aio_pika.connect(url.removesuffix("reservaestoque") + "%2F")
    user, _, password = url.removeprefix("amqp://").partition("@")[0].partition(":")
    address = f"http://127.0.0.1:{backing.layout.ports.rabbitmq_management}/api"
    async with httpx.AsyncClient(auth=(user, password), trust_env=False) as client:
        for path in ("overview", "users", "definitions", "queues"):
            assert (await client.get(f"{address}/{path}")).status_code == 401


async def test_a_wrong_password_is_refused_without_revealing_the_right_one(backing: System, service: str):
    url = backing.service_env(service)["AMQP_URL"].replace(f"{service}:", f"{service}:x")
    with pytest.raises(aio_pika.exceptions.AMQPError) as refusal:
        await aio_pika.connect(url)
    assert backing.layout.secrets[f"rabbitmq-{service}"] not in str(refusal.value)


async def test_a_service_lists_its_own_dead_letters_and_learns_who_may_read_the_others(
    backing: System, service: str, connection: AbstractConnection
):
    async with await aio_pika.connect(backing.amqp_url) as administrator:
        everything = await administrator.channel()
        for queue in topology.QUEUES:
            letter = aio_pika.Message(b'[{"type": "Never"}]')
            await everything.default_exchange.publish(letter, routing_key=queue.dead_letters)
    env = {**os.environ, "AMQP_URL": backing.service_env(service)["AMQP_URL"]}

    def dlq(*words: str) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "reservaestoque.dlq", *words]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=60)

    listed = await asyncio.to_thread(dlq)
    own, other = OWN[service], OWN[OTHER[service]]
    assert listed.returncode == 0
    assert f"{own.dead_letters}: 1 letter\n" in listed.stdout
    refusal = f"this user of the broker may not read {other.dead_letters}: run it as {other.consumer}"
    assert refusal in listed.stdout
    discarded = await asyncio.to_thread(dlq, "discard", own.name, "--all", "--yes")
    assert discarded.returncode == 0
    refused = await asyncio.to_thread(dlq, "discard", other.name, "--all", "--yes")
    assert (refused.returncode, refusal in refused.stderr) == (1, True)
    async with await aio_pika.connect(backing.amqp_url) as administrator:
        await (await (await administrator.channel()).get_queue(other.dead_letters)).purge()
