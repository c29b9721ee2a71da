"""Every part is killed or restarted while customers order: each order answered with 2xx becomes final."""

import asyncio
import contextlib
from collections.abc import Callable

import asyncpg
import httpx
import psutil
import pytest
from shop import Shop, database
from waiting import until

from local_system import System

pytestmark = pytest.mark.integration

SHUTDOWN_SECONDS = 10


class Sales:
    """Customers who order one unit after another until told to stop."""

    def __init__(self, shop: Shop, sku: str) -> None:
        self._shop = shop
        self._sku = sku
        self._stop = asyncio.Event()
        self.accepted: set[str] = set()
        self.recusas = 0

    async def _cliente(self, number: int) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(httpx.TransportError):
                response = await self._shop.order(wait=number % 3, **{self._sku: 1})
                if response.is_success:
                    self.accepted.add(response.json()["pedidoId"])
                else:
                    self.recusas += 1
                    assert response.status_code in (503, 504), response.text
            await asyncio.sleep(0.05)

    async def during(self, disaster: Callable[[], None]) -> None:
        group = [asyncio.create_task(self._cliente(n)) for n in range(12)]
        try:
            await asyncio.sleep(1)
            await asyncio.to_thread(disaster)
            await asyncio.sleep(2)
        finally:
            self._stop.set()
            await asyncio.gather(*group)


def shut_down(system: System, name: str) -> None:
    """A smart shutdown: PostgreSQL notifies no client, and waits until all of them have left."""
    server = psutil.Process(system.states()[name].pid)
    server.terminate()
    server.wait(SHUTDOWN_SECONDS)


DISASTERS: dict[str, tuple[Callable[[System, str], None], str]] = {
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


@pytest.mark.parametrize("name", DISASTERS)
async def test_no_accepted_order_is_lost(shop: Shop, system: System, name: str):
    sku = f"Q{list(DISASTERS).index(name)}"
    await shop.declare(sku, 40)
    sales = Sales(shop, sku)
    disaster, victim = DISASTERS[name]
    before = system.states()
    await sales.during(lambda: disaster(system, victim))
    for part in system.names():
        await asyncio.to_thread(system.wait_ready, part)
    assert sales.accepted, "nothing was sold, so the test proves nothing"

    async with database(system, "pedidos") as pool:
        await until(lambda: _all_decided(pool, sales.accepted), 40)
    status = await _all(shop, sales.accepted)
    saldo = await shop.saldo(sku)
    assert saldo["reservado"] <= 40
    assert status.count("EstoqueReservado") <= saldo["reservado"]
    assert set(status) <= {"EstoqueReservado", "EstoqueNaoDisponivel"}
    crashed = {part for part, state in system.states().items() if state.pid != before[part].pid}
    assert crashed == set(system.names(victim)), "a part that was not killed has ended"


async def _all_decided(pool: asyncpg.Pool, ids: set[str]) -> bool:
    query = "select count(*) from pedido where id = any ($1) and status <> 'Criado'"
    return await pool.fetchval(query, list(ids)) == len(ids)


async def _all(shop: Shop, ids: set[str]) -> list[str]:
    return await asyncio.gather(*[shop.status(pedido_id) for pedido_id in sorted(ids)])


async def test_waiting_requests_are_answered_when_the_service_stops(shop: Shop, system: System):
    await shop.declare("Q-WAIT", 5)
    await asyncio.to_thread(system.stop, "estoque")
    try:
        body = {"clienteId": "ana", "itens": [{"sku": "Q-WAIT", "quantidade": 1}]}
        url = f"{system.program_url('pedidos-1')}/pedidos"
        ordering = asyncio.create_task(shop.client.post(url, json=body, headers={"Prefer": "wait=30"}))
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        await asyncio.to_thread(system.stop, "pedidos-1")
        response = await ordering
        assert response.status_code == 202
        assert response.json()["status"] == "Criado"
        assert asyncio.get_running_loop().time() - began < 10
    finally:
        await asyncio.to_thread(system.start, "estoque")
        await asyncio.to_thread(system.start, "pedidos-1")

    async def decided() -> bool:
        return await shop.status(response.json()["pedidoId"]) == "EstoqueReservado"

    await until(decided)


async def test_blocked_reads_leave_the_replica_ready(shop: Shop, system: System):
    """A dozen of them once took all connections, which made the replica unready: it served no requests."""
    async with database(system, "pedidos") as pool, pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table pedido in access exclusive mode")
        lists = [asyncio.create_task(shop.client.get("/pedidos")) for _ in range(40)]
        await asyncio.sleep(3)
        for pedidos in system.names("pedidos"):
            async with httpx.AsyncClient(base_url=system.program_url(pedidos), trust_env=False) as direct:
                assert (await direct.get("/health/ready")).status_code == 200
        assert {response.status_code for response in await asyncio.gather(*lists)} == {503}
    assert (await shop.client.get("/pedidos")).status_code == 200
