"""Races on real parts: two who want different things of one order at the same instant; one event at two replicas."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import aio_pika
import httpx
import pytest
from loja import Loja, abrir_loja, ate, banco, conferir

from local_system import Config, Ports, System
from pedidos.events import to_event
from reservaestoque.bus import ESTOQUE_PEDIDOS
from reservaestoque.events import encode_batches

pytestmark = pytest.mark.integration

ESPERA = {"Prefer": "wait=20"}
VEZES = 500
AO_MESMO_TEMPO = 25


@pytest.fixture(scope="module")
def rapido(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Reservations of one second, two replicas of each service, a sweep ten times a second."""
    config = Config(
        state=tmp_path_factory.mktemp("corridas"),
        ports=Ports.free(),
        replicas={"pedidos": 2, "estoque": 2},
        settings={"RESERVA_TTL": "1s", "EXPIRY_INTERVAL": "100ms"},
    )
    with System(config) as system:
        yield system


@pytest.fixture
async def relampago(rapido: System) -> AsyncIterator[Loja]:
    async with abrir_loja(rapido) as loja:
        yield loja
    await conferir(rapido)


async def test_close_against_expiry_at_the_same_instant(relampago: Loja, rapido: System):
    """Each order is closed in the very moment its time ends: sold once or lapsed and sold anew, never both.

    One in ten aims up to 0.4 s beside it, so that both sides are met however slow the machine is.
    """
    await relampago.declarar("R-FIM", VEZES)
    vez = asyncio.Semaphore(AO_MESMO_TEMPO)

    async def vender(numero: int) -> tuple[int, str, int]:
        ao_lado = 0.0 if numero % 10 else 0.8 * numero / VEZES - 0.4
        async with vez:
            pedido = (await relampago.pedir(espera=20, **{"R-FIM": 1})).json()
            assert pedido["status"] in {"EstoqueReservado", "ReservaExpirada"}, pedido
            if pedido["expiraEm"]:
                fim = datetime.fromisoformat(pedido["expiraEm"]) - datetime.now(UTC)
                await asyncio.sleep(max(fim.total_seconds() - 0.005 + ao_lado, 0))
            resposta = await relampago.client.post(f"/pedidos/{pedido['pedidoId']}/fechar", headers=ESPERA)
            return resposta.status_code, resposta.json()["status"], resposta.json()["versao"]

    fins = await asyncio.gather(*[vender(numero) for numero in range(VEZES)])
    assert {(codigo, status) for codigo, status, _ in fins} == {(200, "Fechado")}, "there were units for all"
    versoes = Counter(versao for _, _, versao in fins)
    assert set(versoes) == {2, 3}, f"2 closed before the sweep, 3 after it: {versoes}"
    saldo = await relampago.saldo("R-FIM")
    assert (saldo["reservado"], saldo["vendido"], saldo["disponivel"]) == (0, VEZES, 0)


async def test_cancel_against_renewal_of_lapsed_orders(relampago: Loja, rapido: System):
    await relampago.declarar("R-VOLTA", 100)
    pedidos = await asyncio.gather(*[relampago.pedir(espera=20, **{"R-VOLTA": 1}) for _ in range(100)])
    ids = [pedido.json()["pedidoId"] for pedido in pedidos]

    async def lapsados() -> bool:
        return set(await asyncio.gather(*[relampago.status(i) for i in ids])) == {"ReservaExpirada"}

    await ate(lapsados)

    async def disputar(pedido: str) -> tuple[int, int]:
        cancelar, reservar = await asyncio.gather(
            *[relampago.client.post(f"/pedidos/{pedido}/{c}", headers=ESPERA) for c in ("cancelar", "reservar")]
        )
        return cancelar.status_code, reservar.status_code

    fins = Counter(await asyncio.gather(*[disputar(pedido) for pedido in ids]))
    assert set(fins) <= {(200, 200), (200, 409)}, "whoever comes first, the order ends cancelled"
    assert set(await asyncio.gather(*[relampago.status(i) for i in ids])) == {"Cancelado"}
    assert (await relampago.saldo("R-VOLTA"))["disponivel"] == 100


async def test_cancel_against_close_of_live_orders(loja: Loja):
    await loja.declarar("R-DECIDE", 100)
    pedidos = await asyncio.gather(*[loja.pedir(espera=20, **{"R-DECIDE": 1}) for _ in range(100)])

    async def disputar(pedido: str) -> str:
        respostas = await asyncio.gather(
            *[loja.client.post(f"/pedidos/{pedido}/{c}", headers=ESPERA) for c in ("cancelar", "fechar")]
        )
        assert sorted(r.status_code for r in respostas) == [200, 409], "one of them wins, the other is told so"
        return await loja.status(pedido)

    fins = Counter(await asyncio.gather(*[disputar(p.json()["pedidoId"]) for p in pedidos]))
    assert set(fins) <= {"Cancelado", "Fechado"}
    saldo = await loja.saldo("R-DECIDE")
    assert (saldo["vendido"], saldo["disponivel"]) == (fins["Fechado"], 100 - fins["Fechado"])


EVENTOS = """
select c.id as comando_id, c.tipo, c.pedido_id, c.traceparent, c.criado_em, p.cliente_id, p.itens, p.versao
from comando c join pedido p on p.id = c.pedido_id where p.id = any ($1)
"""


async def test_events_that_both_replicas_have_at_once_take_effect_once(loja: Loja, sistema: System):
    """Fifty orders wait, each six times, one event a message, when both replicas of estoque come back."""
    await loja.declarar("R-ECO", 1000)
    await asyncio.to_thread(sistema.stop, "estoque")
    try:
        pedidos = await asyncio.gather(*[loja.pedir(espera=0, **{"R-ECO": 2}) for _ in range(50)])
        ids = [pedido.json()["pedidoId"] for pedido in pedidos]
        async with banco(sistema, "pedidos") as pool:
            eventos = [to_event(row) for row in await pool.fetch(EVENTOS, ids)]
        async with await aio_pika.connect(sistema.amqp_url) as connection:
            channel = await connection.channel(publisher_confirms=True)
            exchange = await channel.get_exchange(ESTOQUE_PEDIDOS.exchange, ensure=False)
            mensagens = [mensagem for evento in eventos for mensagem in encode_batches([evento])] * 5
            await asyncio.gather(*[exchange.publish(aio_pika.Message(corpo), tipo) for tipo, corpo in mensagens])
    finally:
        await asyncio.to_thread(sistema.start, "estoque")

    async def repetidos() -> bool:
        return await _repetidos(sistema) >= 250

    await ate(repetidos)
    ditos = [(await loja.client.get(f"/pedidos/{pedido}")).json() for pedido in ids]
    assert Counter((dito["status"], dito["versao"]) for dito in ditos) == {("EstoqueReservado", 1): 50}
    assert (await loja.saldo("R-ECO"))["reservado"] == 100


async def _repetidos(sistema: System) -> int:
    """How many events the replicas of estoque recognised, since they were started."""
    total = 0.0
    async with httpx.AsyncClient(trust_env=False) as client:
        for replica in sistema.names("estoque"):
            texto = (await client.get(f"{sistema.program_url(replica)}/metrics")).raise_for_status().text
            total += sum(float(n) for n in re.findall(r"^estoque_repeated_events_total (\S+)", texto, re.M))
    return int(total)
