"""Every part is killed or restarted while customers order: each order answered with 2xx becomes final."""

import asyncio
import contextlib
from collections.abc import Callable

import httpx
import psutil
import pytest
from loja import Loja, ate, banco

from local_system import System

pytestmark = pytest.mark.integration

SHUTDOWN_SECONDS = 10


class Vendas:
    """Customers who order one unit after another until told to stop."""

    def __init__(self, loja: Loja, sku: str) -> None:
        self._loja = loja
        self._sku = sku
        self._parar = asyncio.Event()
        self.aceitos: set[str] = set()
        self.recusas = 0

    async def _cliente(self, numero: int) -> None:
        while not self._parar.is_set():
            with contextlib.suppress(httpx.TransportError):
                resposta = await self._loja.pedir(espera=numero % 3, **{self._sku: 1})
                if resposta.is_success:
                    self.aceitos.add(resposta.json()["pedidoId"])
                else:
                    self.recusas += 1
                    assert resposta.status_code in (503, 504), resposta.text
            await asyncio.sleep(0.02)

    async def durante(self, desastre: Callable[[], None]) -> None:
        clientes = [asyncio.create_task(self._cliente(n)) for n in range(12)]
        try:
            await asyncio.sleep(1)
            await asyncio.to_thread(desastre)
            await asyncio.sleep(2)
        finally:
            self._parar.set()
            await asyncio.gather(*clientes)


def shut_down(sistema: System, name: str) -> None:
    """A smart shutdown: PostgreSQL tells no client, and waits until all of them have left."""
    server = psutil.Process(sistema.states()[name].pid)
    server.terminate()
    server.wait(SHUTDOWN_SECONDS)


DESASTRES: dict[str, tuple[Callable[[System, str], None], str]] = {
    "pedidos killed": (System.kill, "pedidos-1"),
    "every pedidos killed": (System.kill, "pedidos"),
    "every estoque killed": (System.kill, "estoque"),
    "operator killed": (System.kill, "operator"),
    "gateway killed": (System.kill, "gateway"),
    "pedidos' PostgreSQL killed": (System.kill, "postgres-pedidos"),
    "estoque's PostgreSQL killed": (System.kill, "postgres-estoque"),
    "estoque's PostgreSQL restarted": (System.restart, "postgres-estoque"),
    "pedidos' PostgreSQL shut down": (shut_down, "postgres-pedidos"),
    "estoque's PostgreSQL shut down": (shut_down, "postgres-estoque"),
    "RabbitMQ killed": (System.kill, "rabbitmq"),
    "RabbitMQ restarted": (System.restart, "rabbitmq"),
}


@pytest.mark.parametrize("nome", DESASTRES)
async def test_no_accepted_order_is_lost(loja: Loja, sistema: System, nome: str):
    sku = f"Q{list(DESASTRES).index(nome)}"
    await loja.declarar(sku, 40)
    vendas = Vendas(loja, sku)
    desastre, atingida = DESASTRES[nome]
    antes = sistema.states()
    await vendas.durante(lambda: desastre(sistema, atingida))
    for parte in sistema.names():
        await asyncio.to_thread(sistema.wait_ready, parte)
    assert vendas.aceitos, "nothing was sold: the test shows nothing"

    async def todos_decididos() -> bool:
        return "Criado" not in await _todos(loja, vendas.aceitos)

    await ate(todos_decididos, 40)
    status = await _todos(loja, vendas.aceitos)
    saldo = await loja.saldo(sku)
    assert saldo["reservado"] <= 40
    assert status.count("EstoqueReservado") <= saldo["reservado"]
    assert set(status) <= {"EstoqueReservado", "EstoqueNaoDisponivel"}
    caidas = {parte for parte, estado in sistema.states().items() if estado.pid != antes[parte].pid}
    assert caidas == set(sistema.names(atingida)), "a part ended that nobody had hit"


async def _todos(loja: Loja, ids: set[str]) -> list[str]:
    return await asyncio.gather(*[loja.status(pedido_id) for pedido_id in sorted(ids)])


async def test_who_waits_is_answered_when_the_service_stops(loja: Loja, sistema: System):
    await loja.declarar("Q-ESPERA", 5)
    await asyncio.to_thread(sistema.stop, "estoque")
    try:
        corpo = {"clienteId": "ana", "itens": [{"sku": "Q-ESPERA", "quantidade": 1}]}
        url = f"{sistema.program_url('pedidos-1')}/pedidos"
        pedindo = asyncio.create_task(loja.client.post(url, json=corpo, headers={"Prefer": "wait=30"}))
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        await asyncio.to_thread(sistema.stop, "pedidos-1")
        resposta = await pedindo
        assert resposta.status_code == 202
        assert resposta.json()["status"] == "Criado"
        assert asyncio.get_running_loop().time() - began < 10
    finally:
        await asyncio.to_thread(sistema.start, "estoque")
        await asyncio.to_thread(sistema.start, "pedidos-1")

    async def decidido() -> bool:
        return await loja.status(resposta.json()["pedidoId"]) == "EstoqueReservado"

    await ate(decidido)


async def test_reads_that_get_nowhere_leave_the_replica_ready(loja: Loja, sistema: System):
    """A dozen of them once took all connections: the replica was unready, and nobody was served."""
    async with banco(sistema, "pedidos") as pool, pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table pedido in access exclusive mode")
        listas = [asyncio.create_task(loja.client.get("/pedidos")) for _ in range(40)]
        await asyncio.sleep(3)
        for pedidos in sistema.names("pedidos"):
            async with httpx.AsyncClient(base_url=sistema.program_url(pedidos), trust_env=False) as direto:
                assert (await direto.get("/health/ready")).status_code == 200
        assert {resposta.status_code for resposta in await asyncio.gather(*listas)} == {503}
    assert (await loja.client.get("/pedidos")).status_code == 200
