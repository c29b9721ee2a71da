"""A system watched by Prometheus: no panel is empty, and an alert's expression becomes true with its cause."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import dashboards
import httpx
import pytest
import yaml
from broker import memory_alarm
from shop import Shop, open_shop, until

from local_system import Config, Ports, System
from reservaestoque.bus import ESTOQUE_PEDIDOS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "reserva-estoque" / "files" / "rules.yaml"
RATE_INTERVAL = "20s"
QUIET = {
    "operator: StockItems per SQL call",  # quantiles without observations, if no StockItem was applied recently
}


class Prometheus:
    """The server's HTTP API."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def query(self, expression: str) -> list[dict[str, Any]]:
        answer = (await self._client.get("/api/v1/query", params={"query": expression})).raise_for_status().json()
        return answer["data"]["result"]

    async def holds(self, alert: str) -> bool:
        """Whether the expression of an alert is true now, whatever its `for`."""
        return bool(await self.query(_expression(alert)))

    async def subsides(self, alert: str) -> None:
        """Waits until the expression of an alert is false: an earlier fault is over, and Prometheus has seen that."""

        async def over() -> bool:
            return not await self.holds(alert)

        await until(over, 60)


def _expression(alert: str) -> str:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    [found] = [rule["expr"] for group in groups for rule in group["rules"] if rule.get("alert") == alert]
    return found


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    if shutil.which("prometheus") is None:
        pytest.skip("Prometheus is missing: install the package prometheus")
    settings = {"RESERVA_TTL": "10s"}
    config = Config(state=tmp_path_factory.mktemp("system"), ports=Ports.free(), settings=settings, observe=True)
    with System(config) as system:
        yield system


@pytest.fixture
async def shop(system: System) -> AsyncIterator[Shop]:
    async with open_shop(system) as shop:
        yield shop


@pytest.fixture
async def prometheus(system: System) -> AsyncIterator[Prometheus]:
    url = f"http://127.0.0.1:{system.layout.ports.prometheus}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield Prometheus(client)


async def test_every_part_is_scraped(system: System, prometheus: Prometheus):
    async def all_up() -> bool:
        return {
            series["metric"]["job"]: series["value"][1] for series in await prometheus.query("up")
        } == dict.fromkeys(("pedidos", "estoque", "operator", "conferir", "painel", "gateway", "rabbitmq"), "1")

    await until(all_up, 60)


async def test_no_panel_is_empty(shop: Shop, prometheus: Prometheus):
    await shop.declare("OB-A", 100_000)
    await shop.declare("OB-B", 1)
    ending = asyncio.create_task(_customers(shop))
    try:

        async def empty() -> list[str]:
            return [
                f"{one.name}: {panel.title}: {expression}"
                for one in dashboards.DASHBOARDS
                for panel in one.panels
                for expression, _ in panel.queries
                if not await prometheus.query(_filled(expression)) and f"{one.name}: {panel.title}" not in QUIET
            ]

        deadline = time.monotonic() + 90
        while missing := await empty():
            assert time.monotonic() < deadline, missing
            await asyncio.sleep(2)
    finally:
        ending.cancel()


def _filled(expression: str) -> str:
    """The expression as Grafana would send it."""
    return expression.replace("$namespace", "local").replace("$__rate_interval", RATE_INTERVAL)


async def _customers(shop: Shop) -> None:
    """Orders of every outcome: closed, lapsed, refused."""
    while True:
        kept = (await shop.order(**{"OB-A": 1})).json()
        await shop.client.post(f"/pedidos/{kept['pedidoId']}/fechar", headers={"Prefer": "wait=5"})
        await shop.order(**{"OB-A": 1})
        await shop.order(**{"OB-A": 1, "OB-B": 2})
        await shop.client.get("/pedidos", params={"clienteId": "ana"})
        await asyncio.sleep(0.1)


async def test_a_broker_that_takes_nothing_stalls_the_outbox(shop: Shop, prometheus: Prometheus):
    await shop.declare("OB-C", 100)
    await prometheus.subsides("ReservaEstoqueOutboxStalled")
    async with memory_alarm(shop.system):
        await shop.order(wait=0, **{"OB-C": 1})
        await until(lambda: prometheus.holds("ReservaEstoqueOutboxStalled"), 90)
    await prometheus.subsides("ReservaEstoqueOutboxStalled")


async def test_orders_that_wait_for_the_broker_are_late(prometheus: Prometheus):
    """After the test above: one of few orders took far more than two seconds."""
    await until(lambda: prometheus.holds("ReservaEstoqueSlowDecisions"), 60)


async def test_garbage_in_a_queue_is_a_dead_letter(shop: Shop, prometheus: Prometheus):
    await prometheus.subsides("ReservaEstoqueDeadLetters")
    async with httpx.AsyncClient(base_url=shop.system.rabbitmq_management_url, trust_env=False) as management:
        body = {
            "properties": {},
            "routing_key": ESTOQUE_PEDIDOS.name,
            "payload": "garbage",
            "payload_encoding": "string",
        }
        published = await management.post("/api/exchanges/reservaestoque/amq.default/publish", json=body)
        published.raise_for_status()
    await until(lambda: prometheus.holds("ReservaEstoqueDeadLetters"), 60)


async def test_a_database_that_is_away_holds_batches_and_fails_requests(shop: Shop, prometheus: Prometheus):
    await shop.declare("OB-D", 100)
    await asyncio.to_thread(shop.system.stop, "postgres-estoque")
    try:
        await shop.order(wait=0, **{"OB-D": 1})
        await until(lambda: prometheus.holds("ReservaEstoqueBatchHeld"), 60)

        async def failing() -> bool:
            await shop.client.get("/estoque")
            return await prometheus.holds("ReservaEstoqueGatewayErrors")

        await until(failing, 90)
    finally:
        await asyncio.to_thread(shop.system.start, "postgres-estoque")


async def test_a_service_without_replicas_is_noticed(shop: Shop, prometheus: Prometheus):
    await prometheus.subsides("ReservaEstoqueNoEndpoints")
    await asyncio.to_thread(shop.system.stop, "estoque")
    try:
        await until(lambda: prometheus.holds("ReservaEstoqueNoEndpoints"), 60)
    finally:
        await asyncio.to_thread(shop.system.start, "estoque")


async def test_an_auditor_that_is_gone_is_missed(shop: Shop, prometheus: Prometheus):
    await asyncio.to_thread(shop.system.stop, "conferir")
    await until(lambda: prometheus.holds("ReservaEstoqueNotAudited"), 60)
