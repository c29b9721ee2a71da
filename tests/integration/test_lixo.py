"""Garbage on the queues of the running system: kept with the reason, and the consumers live on."""

import aio_pika
import pytest
from loja import Loja, ate

from local_system import System
from reservaestoque.bus.dead_letters import REASON_HEADER

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("fila", ["estoque.pedidos", "pedidos.status"])
@pytest.mark.parametrize(
    "corpo",
    [b"\x00\xff", b'{"not": "an array"}', b'[{"type": "Nunca"}]'],
    ids=["bytes", "object", "unknown type"],
)
async def test_garbage_goes_to_the_dead_letters(loja: Loja, sistema: System, fila: str, corpo: bytes):
    async with await aio_pika.connect(sistema.amqp_url) as connection:
        channel = await connection.channel()
        mortas = await channel.get_queue(f"{fila}.dlq")
        await mortas.purge()
        await channel.default_exchange.publish(aio_pika.Message(corpo), routing_key=fila)
        mensagem = await ate(lambda: mortas.get(fail=False, no_ack=True))
    assert mensagem.body == corpo
    assert str(mensagem.headers[REASON_HEADER]).startswith(("the message is not", "not an event"))
    await loja.declarar("L-A", 100)
    assert (await loja.pedir(**{"L-A": 1})).json()["status"] == "EstoqueReservado"


async def test_snapshot_of_an_order_nobody_knows(loja: Loja, sistema: System):
    corpo = (
        b'[{"specversion":"1.0","type":"AtualizarStatus","id":"x:1","source":"/t","time":"2026-01-01T00:00:00Z",'
        b'"subject":"00000000-0000-7000-8000-000000000000","data":{"pedidoId":'
        b'"00000000-0000-7000-8000-000000000000","status":"Fechado","versao":1}}]'
    )
    async with await aio_pika.connect(sistema.amqp_url) as connection:
        channel = await connection.channel()
        mortas = await channel.get_queue("pedidos.status.dlq")
        await mortas.purge()
        await channel.default_exchange.publish(aio_pika.Message(corpo), routing_key="pedidos.status")
        mensagem = await ate(lambda: mortas.get(fail=False, no_ack=True))
    assert mensagem.body == corpo
    assert "PedidoDesconhecido" in str(mensagem.headers[REASON_HEADER])
