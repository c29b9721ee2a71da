"""Many customers at once, two replicas of each service: never oversold, nobody waits for ever, no deadlock."""

import asyncio
import random
from collections import Counter

import pytest
from loja import Loja, logs

from local_system import System

pytestmark = pytest.mark.integration


def sem_impasse(sistema: System) -> None:
    for nome, texto in logs(sistema).items():
        assert "deadlock" not in texto.lower(), nome


async def test_two_hundred_orders_for_fifty_units(loja: Loja, sistema: System):
    await loja.declarar("C-QUENTE", 50)
    respostas = await asyncio.gather(*[loja.pedir(espera=30, **{"C-QUENTE": 1}) for _ in range(200)])
    assert Counter(r.json()["status"] for r in respostas) == {"EstoqueReservado": 50, "EstoqueNaoDisponivel": 150}
    assert {r.status_code for r in respostas} == {201}
    assert await loja.saldo("C-QUENTE") == {
        "sku": "C-QUENTE",
        "nome": "Produto C-QUENTE",
        "quantidade": 50,
        "reservado": 50,
        "vendido": 0,
        "disponivel": 0,
    }
    sem_impasse(sistema)


async def test_two_hundred_orders_over_three_skus_in_any_order(loja: Loja, sistema: System):
    skus = ["C-X", "C-Y", "C-Z"]
    for sku in skus:
        await loja.declarar(sku, 50)
    sorte = random.Random(3)
    pedidos = [dict.fromkeys(sorte.sample(skus, 3), 1) for _ in range(200)]
    respostas = await asyncio.gather(*[loja.pedir(espera=30, **itens) for itens in pedidos])
    assert Counter(r.json()["status"] for r in respostas) == {"EstoqueReservado": 50, "EstoqueNaoDisponivel": 150}
    assert [(await loja.saldo(sku))["reservado"] for sku in skus] == [50, 50, 50]
    sem_impasse(sistema)
