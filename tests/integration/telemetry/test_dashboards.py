"""On a system that Prometheus watches, no panel of a dashboard is empty."""

import asyncio
import shutil
import time

import dashboards
import pytest
from prometheus_here import Prometheus
from shop import Shop
from waiting import until

from local_system.prometheus import EXPORTER

pytestmark = pytest.mark.integration

RATE_INTERVAL = "10s"
JOBS = ("pedidos", "estoque", "operator", "conferir", "painel", "gateway", "rabbitmq")
EXPORTED = ("postgres",) if shutil.which(EXPORTER) else ()
QUIET = {
    "operator: StockItems per SQL call",  # quantiles without observations, if no StockItem was applied recently
}


async def test_every_part_is_scraped(prometheus: Prometheus):
    async def all_up() -> bool:
        return {
            series["metric"]["job"]: series["value"][1] for series in await prometheus.query("up")
        } == dict.fromkeys((*JOBS, *EXPORTED), "1")

    await until(all_up, 60)


@pytest.mark.skipif(not EXPORTED, reason=f"{EXPORTER} is missing: install the package of that name")
async def test_postgresql_reports_on_both_databases(prometheus: Prometheus):
    async def both() -> bool:
        commits = await prometheus.query('pg_stat_database_xact_commit{datname=~"pedidos|estoque"} > 0')
        return {series["metric"]["datname"] for series in commits} == {"pedidos", "estoque"}

    await until(both, 60)


async def test_no_panel_is_empty(shop: Shop, prometheus: Prometheus):
    await shop.declare("OB-A", 100_000)
    await shop.declare("OB-B", 1)
    ordering = asyncio.create_task(_customers(shop))
    try:

        async def empty() -> list[str]:
            return [
                f"{one.name}: {panel.title}: {expression}"
                for one in dashboards.DASHBOARDS
                for panel in one.panels
                for expression, _ in panel.queries
                if f"{one.name}: {panel.title}" not in QUIET
                and not await prometheus.query(dashboards.filled(expression, "local", RATE_INTERVAL))
            ]

        deadline = time.monotonic() + 90
        while missing := await empty():
            assert time.monotonic() < deadline, missing
            assert not ordering.done(), "customers have stopped"
            await asyncio.sleep(1)
    finally:
        ordering.cancel()


async def _customers(shop: Shop) -> None:
    """Orders of every outcome: closed, lapsed, refused."""
    while True:
        kept = (await shop.order(**{"OB-A": 1})).json()
        await shop.client.post(f"/pedidos/{kept['pedidoId']}/fechar", headers={"Prefer": "wait=5"})
        await shop.order(**{"OB-A": 1})
        await shop.order(**{"OB-A": 1, "OB-B": 2})
        await shop.client.get("/pedidos", params={"clienteId": "ana"})
        await asyncio.sleep(0.1)
