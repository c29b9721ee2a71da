"""Messages with properties that the client library cannot parse block nothing, however many there are."""

import asyncio
from collections.abc import Sequence

import aio_pika
import pytest
from commands import criar
from fuzz.garbage import UNREADABLE, WithRawProperties

from local_system import System
from reservaestoque.bus import ESTOQUE_PEDIDOS, BatchConsumer, Unprocessable
from reservaestoque.bus.consumer import PREFETCH
from reservaestoque.bus.dead_letters import REASON_HEADER
from reservaestoque.bus.topology import declare
from reservaestoque.events import CloudEvent, Comando, Decoder, encode_batches

pytestmark = pytest.mark.integration


class Seen:
    """A handler that records the ids."""

    def __init__(self) -> None:
        self.ids: list[object] = []

    async def handle(self, events: Sequence[CloudEvent]) -> Sequence[Unprocessable]:
        self.ids += [event.id for event in events]
        return []

    async def find_blocked(self, _: Sequence[CloudEvent]) -> set[object]:
        return set()


@pytest.mark.parametrize("raw", UNREADABLE, ids=range(len(UNREADABLE)))
async def test_bodies_are_consumed_whatever_their_properties(backing: System, raw: bytes):
    handler = Seen()
    good = [criar(a=1) for _ in range(PREFETCH + 5)]
    async with await aio_pika.connect(backing.amqp_url) as connection:
        channel = await connection.channel()
        await declare(channel, ESTOQUE_PEDIDOS)
        dead = await channel.get_queue(ESTOQUE_PEDIDOS.dead_letters)
        for queue in (dead, await channel.get_queue(ESTOQUE_PEDIDOS.name)):
            await queue.purge()
        for event in good:
            [(_, body)] = encode_batches([event])
            await channel.default_exchange.publish(WithRawProperties(body, raw), routing_key=ESTOQUE_PEDIDOS.name)
        await channel.default_exchange.publish(WithRawProperties(b"{}", raw), routing_key=ESTOQUE_PEDIDOS.name)
        consumer = BatchConsumer(backing.amqp_url, ESTOQUE_PEDIDOS, Decoder[Comando](Comando), handler)
        running = asyncio.create_task(consumer.run())
        try:
            async with asyncio.timeout(20):
                while not (letter := await dead.get(fail=False, no_ack=True)):
                    await asyncio.sleep(0.05)
        finally:
            running.cancel()
            await asyncio.wait([running])
    assert letter.body == b"{}"
    assert REASON_HEADER in letter.headers
    assert handler.ids == [event.id for event in good]
