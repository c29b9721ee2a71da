"""Races on real parts: conflicting commands to one order at the same instant; one event at two replicas."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import aio_pika
import httpx
import pytest
from shop import Shop, conferir, database, open_shop
from waiting import until

from local_system import Config, Ports, System
from pedidos.events import to_event
from reservaestoque.bus import ESTOQUE_PEDIDOS
from reservaestoque.events import encode_batches

pytestmark = pytest.mark.integration

WAIT = {"Prefer": "wait=20"}
TIMES = 500
AT_ONCE = 25


@pytest.fixture(scope="module")
def fast_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Reservations of one second, two replicas of each service, a sweep ten times a second."""
    config = Config(
        state=tmp_path_factory.mktemp("races"),
        ports=Ports.free(),
        replicas={"pedidos": 2, "estoque": 2},
        settings={"RESERVA_TTL": "1s", "EXPIRY_INTERVAL": "100ms"},
    )
    with System(config) as system:
        yield system


@pytest.fixture
async def flash(fast_system: System) -> AsyncIterator[Shop]:
    async with open_shop(fast_system) as shop:
        yield shop
    await conferir(fast_system)


async def test_close_against_expiry_at_the_same_instant(flash: Shop, fast_system: System):
    """Each order is closed at the very moment its reservation ends: sold once, or lapsed and sold again, never both.

    One in ten is up to 0.4 s off, so that both outcomes occur however slow the machine is.
    """
    await flash.declare("R-END", TIMES)
    turn = asyncio.Semaphore(AT_ONCE)

    async def sell(number: int) -> tuple[int, str, int]:
        offset = 0.0 if number % 10 else 0.8 * number / TIMES - 0.4
        async with turn:
            pedido = (await flash.order(wait=20, **{"R-END": 1})).json()
            assert pedido["status"] in {"EstoqueReservado", "ReservaExpirada"}, pedido
            if pedido["expiraEm"]:
                end = datetime.fromisoformat(pedido["expiraEm"]) - datetime.now(UTC)
                await asyncio.sleep(max(end.total_seconds() - 0.005 + offset, 0))
            response = await flash.client.post(f"/pedidos/{pedido['pedidoId']}/fechar", headers=WAIT)
            return response.status_code, response.json()["status"], response.json()["versao"]

    ends = await asyncio.gather(*[sell(number) for number in range(TIMES)])
    assert {(code, status) for code, status, _ in ends} == {(200, "Fechado")}, "there were units for all"
    versions = Counter(versao for _, _, versao in ends)
    assert set(versions) == {2, 3}, f"2 closed before the sweep, 3 after it: {versions}"
    saldo = await flash.saldo("R-END")
    assert (saldo["reservado"], saldo["vendido"], saldo["disponivel"]) == (0, TIMES, 0)


async def test_cancel_against_renewal_of_lapsed_orders(flash: Shop, fast_system: System):
    await flash.declare("R-BACK", 100)
    pedidos = await asyncio.gather(*[flash.order(wait=20, **{"R-BACK": 1}) for _ in range(100)])
    ids = [pedido.json()["pedidoId"] for pedido in pedidos]

    async def lapsed() -> bool:
        return set(await asyncio.gather(*[flash.status(i) for i in ids])) == {"ReservaExpirada"}

    await until(lapsed)

    async def compete(pedido: str) -> tuple[int, int]:
        cancelar, reservar = await asyncio.gather(
            *[flash.client.post(f"/pedidos/{pedido}/{c}", headers=WAIT) for c in ("cancelar", "reservar")]
        )
        return cancelar.status_code, reservar.status_code

    ends = Counter(await asyncio.gather(*[compete(pedido) for pedido in ids]))
    assert set(ends) <= {(200, 200), (200, 409)}, "the order ends cancelled, in whatever order they arrive"
    assert set(await asyncio.gather(*[flash.status(i) for i in ids])) == {"Cancelado"}
    assert (await flash.saldo("R-BACK"))["disponivel"] == 100


async def test_cancel_against_close_of_live_orders(shop: Shop):
    await shop.declare("R-DECIDE", 100)
    pedidos = await asyncio.gather(*[shop.order(wait=20, **{"R-DECIDE": 1}) for _ in range(100)])

    async def compete(pedido: str) -> str:
        responses = await asyncio.gather(
            *[shop.client.post(f"/pedidos/{pedido}/{c}", headers=WAIT) for c in ("cancelar", "fechar")]
        )
        assert sorted(r.status_code for r in responses) == [200, 409], "one of them wins, the other gets 409"
        return await shop.status(pedido)

    ends = Counter(await asyncio.gather(*[compete(p.json()["pedidoId"]) for p in pedidos]))
    assert set(ends) <= {"Cancelado", "Fechado"}
    saldo = await shop.saldo("R-DECIDE")
    assert (saldo["vendido"], saldo["disponivel"]) == (ends["Fechado"], 100 - ends["Fechado"])


EVENTS = """
select id as comando_id, 'PedidoCriado' as tipo, id as pedido_id, traceparent, criado_em, null as se_versao,
    cliente_id, itens, versao
from pedido where id = any ($1)
"""


async def test_events_that_both_replicas_have_at_once_take_effect_once(shop: Shop, system: System):
    """Fifty orders wait, each six times, one event per message, when both replicas of estoque come back."""
    await shop.declare("R-ECO", 1000)
    await asyncio.to_thread(system.stop, "estoque")
    try:
        pedidos = await asyncio.gather(*[shop.order(wait=0, **{"R-ECO": 2}) for _ in range(50)])
        ids = [pedido.json()["pedidoId"] for pedido in pedidos]
        async with database(system, "pedidos") as pool:
            events = [to_event(row) for row in await pool.fetch(EVENTS, ids)]
        async with await aio_pika.connect(system.amqp_url) as connection:
            channel = await connection.channel(publisher_confirms=True)
            exchange = await channel.get_exchange(ESTOQUE_PEDIDOS.exchange, ensure=False)
            messages = [message for event in events for message in encode_batches([event])] * 5
            await asyncio.gather(*[exchange.publish(aio_pika.Message(body), tipo) for tipo, body in messages])
    finally:
        await asyncio.to_thread(system.start, "estoque")

    async def repeated() -> bool:
        return await _repeated(system) >= 250

    await until(repeated)
    told = [(await shop.client.get(f"/pedidos/{pedido}")).json() for pedido in ids]
    assert Counter((said["status"], said["versao"]) for said in told) == {("EstoqueReservado", 1): 50}
    assert (await shop.saldo("R-ECO"))["reservado"] == 100


async def _repeated(system: System) -> int:
    """The number of redelivered events that the replicas of estoque have recognised since their start."""
    total = 0.0
    async with httpx.AsyncClient(trust_env=False) as client:
        for replica in system.names("estoque"):
            text = (await client.get(f"{system.metrics_url(replica)}/metrics")).raise_for_status().text
            total += sum(float(n) for n in re.findall(r"^estoque_repeated_events_total (\S+)", text, re.M))
    return int(total)
