"""Alerts on a real system: the cause of each makes its expression true. `tests/alerts` covers thresholds and `for`.

`prometheus_here.expression` shortens what takes minutes to seconds.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from broker import memory_alarm
from prometheus_here import Prometheus
from shop import Shop, database
from waiting import until

from local_system import System
from reservaestoque.bus import ESTOQUE_PEDIDOS

pytestmark = pytest.mark.integration


@asynccontextmanager
async def stopped(system: System, part: str) -> AsyncIterator[None]:
    """Inside the block, a part is stopped."""
    await asyncio.to_thread(system.stop, part)
    try:
        yield
    finally:
        await asyncio.to_thread(system.start, part)
        await asyncio.to_thread(system.wait_ready, part)


@asynccontextmanager
async def repeating(*requests: tuple[str, str], shop: Shop, body: object = None) -> AsyncIterator[None]:
    """Inside the block, a client sends these requests over and over, whatever the answers."""

    async def ask() -> None:
        while True:
            for method, path in requests:
                await shop.client.request(method, path, json=body if method == "POST" else None)
            await asyncio.sleep(0.2)

    asking = asyncio.create_task(ask())
    try:
        yield
        assert not asking.done(), "the client has stopped"
    finally:
        asking.cancel()


def order(sku: str) -> dict[str, object]:
    return {"clienteId": "ana", "itens": [{"sku": sku, "quantidade": 1}]}


async def test_a_broker_that_accepts_nothing_stalls_the_outbox_and_delays_decisions(
    shop: Shop, prometheus: Prometheus
):
    await shop.declare("OB-C", 100)
    await prometheus.subsides("ReservaEstoqueOutboxStalled")
    await prometheus.subsides("ReservaEstoqueSlowDecisions")
    async with memory_alarm(shop.system):
        await asyncio.gather(*(shop.order(wait=0, **{"OB-C": 1}) for _ in range(20)))
        await prometheus.raised("ReservaEstoqueOutboxStalled", job="pedidos")
    await prometheus.raised("ReservaEstoqueSlowDecisions")
    await prometheus.subsides("ReservaEstoqueOutboxStalled")


async def test_garbage_in_a_queue_is_a_dead_letter(shop: Shop, prometheus: Prometheus):
    await prometheus.subsides("ReservaEstoqueDeadLetters", queue=ESTOQUE_PEDIDOS.name)
    async with httpx.AsyncClient(base_url=shop.system.rabbitmq_management_url, trust_env=False) as management:
        body = {
            "properties": {},
            "routing_key": ESTOQUE_PEDIDOS.name,
            "payload": "garbage",
            "payload_encoding": "string",
        }
        published = await management.post("/api/exchanges/reservaestoque/amq.default/publish", json=body)
        published.raise_for_status()
        await prometheus.raised("ReservaEstoqueDeadLetters", queue=ESTOQUE_PEDIDOS.name)
        letters = f"/api/queues/reservaestoque/{ESTOQUE_PEDIDOS.name}.dlq/contents"
        (await management.delete(letters)).raise_for_status()
    await prometheus.subsides("ReservaEstoqueDeadLetters", queue=ESTOQUE_PEDIDOS.name)


async def test_an_outage_of_the_stock_database_holds_up_batches_items_and_the_sweep(
    shop: Shop, prometheus: Prometheus
):
    late = ("ReservaEstoqueSweepStopped", "ReservaEstoqueSweepLate", "ReservaEstoqueSyncLate")
    await shop.declare("OB-D", 100)
    for alert in ("ReservaEstoqueBatchHeld", *late):
        await prometheus.subsides(alert)
    async with stopped(shop.system, "postgres-estoque"):
        await asyncio.to_thread(shop.apply, "OB-D", 200)
        await shop.order(wait=0, **{"OB-D": 1})
        await prometheus.raised("ReservaEstoqueBatchHeld", queue=ESTOQUE_PEDIDOS.name)
        async with repeating(("GET", "/estoque"), shop=shop):
            await prometheus.raised("ReservaEstoqueGatewayErrors", requests="all")
        for alert in late:
            await prometheus.raised(alert)
    for alert in late:
        await prometheus.subsides(alert)


async def test_failing_orders_raise_an_alert_even_among_many_successful_reads(shop: Shop, prometheus: Prometheus):
    await shop.declare("OB-E", 100)
    await prometheus.subsides("ReservaEstoqueGatewayErrors", requests="orders")
    reads = [("GET", "/estoque/OB-E")] * 50
    async with (
        stopped(shop.system, "postgres-pedidos"),
        repeating(("POST", "/pedidos"), *reads, shop=shop, body=order("OB-E")),
    ):
        await prometheus.raised("ReservaEstoqueGatewayErrors", requests="orders")


async def test_a_service_without_replicas_leaves_orders_unanswered(shop: Shop, prometheus: Prometheus):
    unanswered = ("ReservaEstoqueResends", "ReservaEstoqueUnansweredCommand")
    await shop.declare("OB-F", 100)
    for alert in ("ReservaEstoqueNoEndpoints", *unanswered):
        await prometheus.subsides(alert)
    async with stopped(shop.system, "estoque"):
        pedidos = await asyncio.gather(*(shop.order(wait=0, **{"OB-F": 1}) for _ in range(30)))
        async with repeating(("POST", "/pedidos"), shop=shop, body=order("OB-F")):  # a command is resent but once
            await prometheus.raised("ReservaEstoqueNoEndpoints", envoy_cluster_name="estoque")
            await prometheus.raised("ReservaEstoqueNotScraped", part="estoque")
            for alert in unanswered:
                await prometheus.raised(alert)
    for pedido in pedidos:
        await until(lambda pedido=pedido: _decided(shop, pedido.json()["pedidoId"]))
    await prometheus.subsides("ReservaEstoqueNoEndpoints")


async def _decided(shop: Shop, pedido_id: str) -> bool:
    return await shop.status(pedido_id) != "Criado"


async def test_more_orders_at_once_than_may_wait_are_refused(shop: Shop, prometheus: Prometheus):
    await shop.declare("OB-G", 100_000)
    await prometheus.subsides("ReservaEstoqueOverload")

    async with database(shop.system, "pedidos") as pool, pool.acquire() as connection:

        async def refused() -> bool:
            async with connection.transaction():
                await connection.execute("lock table pedido")
                await asyncio.gather(*(shop.order(wait=0, **{"OB-G": 1}) for _ in range(120)))
            return await prometheus.holds("ReservaEstoqueOverload", job="pedidos", resource="commits")

        await until(refused, 60)


async def test_a_stock_item_that_the_database_rejects_raises_an_alert(shop: Shop, prometheus: Prometheus):
    await prometheus.subsides("ReservaEstoqueRejectedItems")
    rule = "forbidden check (nome <> 'Produto OB-H')"
    await asyncio.to_thread(shop.system.psql, "estoque", f"alter table estoque add constraint {rule}")
    try:
        await asyncio.to_thread(shop.apply, "OB-H", 1)
        await prometheus.raised("ReservaEstoqueRejectedItems")
    finally:
        await asyncio.to_thread(shop.system.psql, "estoque", "alter table estoque drop constraint forbidden")
        await asyncio.to_thread(shop.system.kubectl, "delete", "stockitem", "ob-h")


async def test_a_counter_that_contradicts_its_reservations_is_a_violation(shop: Shop, prometheus: Prometheus):
    await shop.declare("OB-I", 100)
    await prometheus.subsides("ReservaEstoqueViolation", rule="counters")
    change = "update estoque set reservado = reservado {} 1 where sku = 'OB-I'"
    await asyncio.to_thread(shop.system.psql, "estoque", change.format("+"))
    try:
        await prometheus.raised("ReservaEstoqueViolation", rule="counters")
    finally:
        await asyncio.to_thread(shop.system.psql, "estoque", change.format("-"))
        await asyncio.to_thread(shop.system.restart, "conferir")
    await prometheus.subsides("ReservaEstoqueViolation", rule="counters")


async def test_a_stopped_auditor_and_a_stopped_operator_raise_alerts(shop: Shop, prometheus: Prometheus):
    await prometheus.subsides("ReservaEstoqueNotAudited")
    await prometheus.subsides("ReservaEstoqueSweepStopped")
    async with stopped(shop.system, "conferir"), stopped(shop.system, "operator"):
        await prometheus.raised("ReservaEstoqueNotAudited")
        await prometheus.raised("ReservaEstoqueSweepStopped")
