"""`make conferir` on the running system, while customers order and once they have stopped."""

import asyncio
import os
import subprocess
import sys

import pytest
from shop import Shop, counted_violations

from conferir.violation import Rule
from local_system import System

pytestmark = pytest.mark.integration


async def run(system: System, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs the command of `make conferir`."""
    argv = [sys.executable, "-m", "local_system", "conferir", *args]
    env = {**os.environ, "LOCAL_DIR": str(system.layout.state)}
    return await asyncio.to_thread(subprocess.run, argv, env=env, capture_output=True, text=True, check=False)


async def buy(shop: Shop, number: int) -> None:
    pedido = (await shop.order(wait=number % 4, **{"F-A": 1, "F-B": 2})).json()
    if number % 3:
        await shop.client.post(f"/pedidos/{pedido['pedidoId']}/{('fechar', 'cancelar')[number % 2]}")


async def test_no_violation_is_found_while_customers_order_or_afterwards(shop: Shop, system: System):
    await shop.declare("F-A", 150)
    await shop.declare("F-B", 150)
    purchases = asyncio.gather(*[buy(shop, number) for number in range(300)])
    during = [await run(system) for _ in range(2)]
    await purchases
    after = await run(system, "--at-rest")
    for done in (*during, after):
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no violations" in done.stdout
    assert await counted_violations(system) == {rule.value: 0 for rule in Rule}
