"""Garbage on the queues of the running system: kept with the reason, and the consumers survive."""

import aio_pika
import pytest
from shop import Shop
from waiting import until

from local_system import System
from reservaestoque.bus.dead_letters import REASON_HEADER

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("queue", ["estoque.pedidos", "pedidos.status"])
@pytest.mark.parametrize(
    "body",
    [b"\x00\xff", b'{"not": "an array"}', b'[{"type": "Never"}]'],
    ids=["bytes", "object", "unknown type"],
)
async def test_garbage_goes_to_the_dead_letters(shop: Shop, system: System, queue: str, body: bytes):
    async with await aio_pika.connect(system.amqp_url) as connection:
        channel = await connection.channel()
        dead = await channel.get_queue(f"{queue}.dlq")
        await dead.purge()
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=queue)
        message = await until(lambda: dead.get(fail=False, no_ack=True))
    assert message.body == body
    assert str(message.headers[REASON_HEADER]).startswith(("the message is not", "not an event"))
    await shop.declare("L-A", 100)
    assert (await shop.order(**{"L-A": 1})).json()["status"] == "EstoqueReservado"


async def test_a_snapshot_of_an_unknown_order_goes_to_the_dead_letters(shop: Shop, system: System):
    body = (
        b'[{"specversion":"1.0","type":"AtualizarStatus","id":"x:1","source":"/t","time":"2026-01-01T00:00:00Z",'
        b'"subject":"00000000-0000-7000-8000-000000000000","data":{"pedidoId":'
        b'"00000000-0000-7000-8000-000000000000","status":"Fechado","versao":1}}]'
    )
    async with await aio_pika.connect(system.amqp_url) as connection:
        channel = await connection.channel()
        dead = await channel.get_queue("pedidos.status.dlq")
        await dead.purge()
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key="pedidos.status")
        message = await until(lambda: dead.get(fail=False, no_ack=True))
    assert message.body == body
    assert "PedidoDesconhecido" in str(message.headers[REASON_HEADER])
