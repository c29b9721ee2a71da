"""The pods of each part are deleted while customers order: every accepted order is decided, nothing is oversold."""

import asyncio
import math
import time
from collections.abc import Callable

import pytest
from cluster import Installation
from cluster.installation import PARTS, selector
from customers import Customers, ids_of
from shop import Shop
from waiting import until

pytestmark = pytest.mark.chaos

UNITS = 300
"""Few enough that some orders are refused, so that any overselling shows."""


@pytest.mark.parametrize("part", PARTS)
async def test_no_accepted_order_is_lost_when_all_pods_of_a_part_are_deleted(
    shop: Shop, installed: Installation, part: str, say: Callable[[str], None]
):
    sku = f"C-{part.upper()}"
    await shop.declare(sku, UNITS)
    async with Customers(shop.system.gateway_url, [sku], per_second=15, wait=5) as customers:
        await asyncio.sleep(3)
        before = [pod["metadata"]["uid"] for pod in installed.pods(part)]
        deleted = time.monotonic()
        await asyncio.to_thread(installed.kubectl, "delete", "pod", f"--selector={selector(part)}", "--wait=false")
        await until(lambda: asyncio.to_thread(installed.ready, part, before), 180)
        ready = time.monotonic() - deleted

        async def decided_again() -> bool:
            recovered = customers.recovery(deleted) < math.inf
            return recovered and len(customers.decided_since(time.monotonic() - 7)) > 20

        await until(decided_again, 120)
        if part == "operator":
            await shop.declare("C-NEW", 5)
            ready = time.monotonic() - deleted
        await asyncio.sleep(3)
    recovered = customers.recovery(deleted)
    say(f"{part}: orders decided again after {recovered:.1f} s, ready after {ready:.1f} s; {customers.summary()}")

    async def all_decided() -> bool:
        return not await ids_of(shop.client, customers.cliente, status="Criado")

    await until(all_decided, 60)
    assert customers.accepted <= await ids_of(shop.client, customers.cliente)
    saldo = await shop.saldo(sku)
    assert saldo["reservado"] + saldo["vendido"] <= UNITS
    assert saldo["vendido"] >= len(await ids_of(shop.client, customers.cliente, status="Fechado"))
