"""The pods of each part are deleted while customers order: what was accepted is decided, nothing is oversold."""

import asyncio
import time
from collections.abc import Callable

import pytest
from carga import Carga, ids_de
from cluster import Instalacao
from cluster.instalacao import PARTES, seletor
from loja import Loja, ate

pytestmark = pytest.mark.chaos

UNIDADES = 300
"""So few that some orders are refused, and that whatever is oversold shows."""


@pytest.mark.parametrize("parte", PARTES)
async def test_no_accepted_order_is_lost_when_all_pods_of_a_part_are_deleted(
    loja: Loja, instalada: Instalacao, parte: str, dizer: Callable[[str], None]
):
    sku = f"C-{parte.upper()}"
    await loja.declarar(sku, UNIDADES)
    async with Carga(loja.system.gateway_url, [sku], por_segundo=15, espera=5) as carga:
        await asyncio.sleep(3)
        antes = [pod["metadata"]["uid"] for pod in instalada.pods(parte)]
        apagado = time.monotonic()
        await asyncio.to_thread(instalada.kubectl, "delete", "pod", f"--selector={seletor(parte)}", "--wait=false")
        await ate(lambda: asyncio.to_thread(instalada.prontos, parte, antes), 180)
        prontos = time.monotonic() - apagado

        async def decididas_de_novo() -> bool:
            return len(carga.decididas(time.monotonic() - 7)) > 20 and carga.recuperacao(apagado) < float("inf")

        await ate(decididas_de_novo, 120)
        if parte == "operator":
            await loja.declarar("C-NOVO", 5)
            prontos = time.monotonic() - apagado
        await asyncio.sleep(3)
    recuperada = carga.recuperacao(apagado)
    dizer(f"{parte}: orders decided again after {recuperada:.1f} s, ready after {prontos:.1f} s; {carga.resumo()}")

    async def todos_decididos() -> bool:
        return not await ids_de(loja.client, carga.cliente, status="Criado")

    await ate(todos_decididos, 60)
    assert carga.aceitos <= await ids_de(loja.client, carga.cliente)
    saldo = await loja.saldo(sku)
    assert saldo["reservado"] + saldo["vendido"] <= UNIDADES
    assert saldo["vendido"] >= len(await ids_de(loja.client, carga.cliente, status="Fechado"))
