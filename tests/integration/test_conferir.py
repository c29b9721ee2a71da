"""`make conferir` on the running system, while customers order and once they have stopped."""

import asyncio
import os
import subprocess
import sys

import pytest
from loja import Loja, violacoes_contadas

from conferir.violation import Rule
from local_system import System

pytestmark = pytest.mark.integration


async def executar(sistema: System, *args: str) -> subprocess.CompletedProcess[str]:
    """What `make conferir` runs."""
    argv = [sys.executable, "-m", "local_system", "conferir", *args]
    env = {**os.environ, "LOCAL_DIR": str(sistema.layout.state)}
    return await asyncio.to_thread(subprocess.run, argv, env=env, capture_output=True, text=True, check=False)


async def comprar(loja: Loja, numero: int) -> None:
    pedido = (await loja.pedir(espera=numero % 4, **{"F-A": 1, "F-B": 2})).json()
    if numero % 3:
        await loja.client.post(f"/pedidos/{pedido['pedidoId']}/{('fechar', 'cancelar')[numero % 2]}")


async def test_nothing_is_found_while_customers_order_nor_after(loja: Loja, sistema: System):
    await loja.declarar("F-A", 150)
    await loja.declarar("F-B", 150)
    compras = asyncio.gather(*[comprar(loja, numero) for numero in range(300)])
    durante = [await executar(sistema) for _ in range(2)]
    await compras
    depois = await executar(sistema, "--at-rest")
    for feito in (*durante, depois):
        assert feito.returncode == 0, feito.stdout + feito.stderr
        assert "no violations" in feito.stdout
    assert await violacoes_contadas(sistema) == {rule.value: 0 for rule in Rule}
