"""Many customers at once, two replicas of each service: never oversold, no endless wait, no deadlock."""

import asyncio
import random
from collections import Counter

import pytest
from shop import Shop, logs

from local_system import System

pytestmark = pytest.mark.integration


def assert_no_deadlock(system: System) -> None:
    for name, text in logs(system).items():
        assert "deadlock" not in text.lower(), name


async def test_two_hundred_orders_for_fifty_units(shop: Shop, system: System):
    await shop.declare("C-HOT", 50)
    responses = await asyncio.gather(*[shop.order(wait=30, **{"C-HOT": 1}) for _ in range(200)])
    assert Counter(r.json()["status"] for r in responses) == {"EstoqueReservado": 50, "EstoqueNaoDisponivel": 150}
    assert {r.status_code for r in responses} == {201}
    assert await shop.saldo("C-HOT") == {
        "sku": "C-HOT",
        "nome": "Produto C-HOT",
        "quantidade": 50,
        "reservado": 50,
        "vendido": 0,
        "disponivel": 0,
    }
    assert_no_deadlock(system)


async def test_two_hundred_orders_over_three_skus_in_any_order(shop: Shop, system: System):
    skus = ["C-X", "C-Y", "C-Z"]
    for sku in skus:
        await shop.declare(sku, 50)
    rng = random.Random(3)
    pedidos = [dict.fromkeys(rng.sample(skus, 3), 1) for _ in range(200)]
    responses = await asyncio.gather(*[shop.order(wait=30, **itens) for itens in pedidos])
    assert Counter(r.json()["status"] for r in responses) == {"EstoqueReservado": 50, "EstoqueNaoDisponivel": 150}
    assert [(await shop.saldo(sku))["reservado"] for sku in skus] == [50, 50, 50]
    assert_no_deadlock(system)
