"""Under load the autoscalers add replicas, Envoy finds them by DNS, and later they are removed; no request fails."""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

import pytest
from cluster import Installation
from cluster.installation import condition
from customers import Customers
from shop import Shop
from waiting import until

pytestmark = pytest.mark.full

SERVICES = ("pedidos", "estoque")
DNS_SECONDS = 15
"""Twice the sum of Envoy's DNS refresh (2 s), the cluster's DNS cache (5 s) and a health check (1 s), rounded."""


async def test_load_adds_replicas_and_their_removal_fails_no_request(
    shop: Shop, installed: Installation, say: Callable[[str], None]
):
    skus = [f"H-{n}" for n in range(8)]
    for sku in skus:
        await shop.declare(sku, 1_000_000)
    for service in SERVICES:
        await until(lambda service=service: asyncio.to_thread(installed.has_replicas, service, 2), 240, every=1)
    async with Customers(shop.system.gateway_url, skus, per_second=3) as light:
        start = time.monotonic()
        async with Customers(shop.system.gateway_url, skus, per_second=60) as customers:
            for service in SERVICES:
                await until(
                    lambda service=service: asyncio.to_thread(installed.has_replicas, service, 3), 180, every=1
                )
            grew = time.monotonic() - start
            delays = {service: await delay(installed, service) for service in SERVICES}
        start = time.monotonic()
        for service in SERVICES:
            await until(lambda service=service: asyncio.to_thread(installed.has_replicas, service, 2), 240, every=1)
        shrank = time.monotonic() - start
        await asyncio.sleep(10)  # requests sent to a pod that has gone would fail now
    say(
        f"scaled out after {grew:.0f} s, in after {shrank:.0f} s; first request {delays} s after ready\n"
        f"under load: {customers.summary()}\nmeanwhile: {light.summary()}"
    )
    assert not customers.failures + light.failures
    assert max(delays.values()) < DNS_SECONDS


async def delay(installed: Installation, service: str) -> float:
    """Seconds from the newest pod's readiness to the first request that Envoy sent it."""
    pod = installed.pods(service)[-1]
    ready_at = condition(pod, "Ready")["lastTransitionTime"]
    address = f'"upstream":"{pod["status"]["podIP"]}:8000"'

    async def first() -> str:
        rows = await asyncio.to_thread(access_log, installed)
        return min((time_of(row) for row in rows if address in row), default="")

    return (datetime.fromisoformat(await until(first, 60)) - datetime.fromisoformat(ready_at)).total_seconds()


def access_log(installed: Installation) -> list[str]:
    """The recent access log of all gateway pods."""
    chosen = ("--selector=app.kubernetes.io/name=gateway,app.kubernetes.io/component=gateway", "--tail=-1")
    return installed.kubectl("logs", *chosen, "--since=5m").splitlines()


def time_of(row: str) -> str:
    return row.partition('"time":"')[2].partition('"')[0]
