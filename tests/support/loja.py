"""A shop and its customers, as seen from outside: kubectl and REST through the gateway."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

import asyncpg
import httpx
from contrato import conferir_resposta

from conferir import full_audit
from conferir.agreement_rules import Criteria
from conferir.snapshot import Databases
from conferir.violation import Rule, Violation
from local_system import System

T = TypeVar("T")

NO_ORDER = "00000000-0000-4000-8000-000000000000"
"""The id of no order. It is part of tests' names, which every process that collects them must make alike."""


class Instalado(Protocol):
    """A system that runs somewhere: the local one or one on a cluster."""

    @property
    def gateway_url(self) -> str: ...

    def kubectl(self, *args: str, stdin: str = "") -> str: ...


class Loja:
    """One shop on a running system."""

    def __init__(self, system: Instalado, client: httpx.AsyncClient) -> None:
        self.system = system
        self.client = client

    async def declarar(self, sku: str, quantity: int, **spec: object) -> None:
        """Applies a StockItem and waits until customers see it."""
        await asyncio.to_thread(self.aplicar, sku, quantity, **spec)
        await ate(lambda: self._visto(sku, quantity))

    def aplicar(self, sku: str, quantity: int, **spec: object) -> str:
        fields = {"sku": sku, "name": f"Produto {sku}", "quantity": quantity, **spec}
        manifesto = {
            "apiVersion": "reservaestoque.dev/v1",
            "kind": "StockItem",
            "metadata": {"name": sku.lower()},
            "spec": fields,
        }
        return self.system.kubectl("apply", "-f", "-", stdin=json.dumps(manifesto))

    async def _visto(self, sku: str, quantity: int) -> bool:
        resposta = await self.client.get(f"/estoque/{sku}")
        return resposta.status_code == 200 and resposta.json()["quantidade"] == quantity

    async def saldo(self, sku: str) -> dict[str, Any]:
        return (await self.client.get(f"/estoque/{sku}")).raise_for_status().json()

    async def pedir(self, espera: int = 10, **itens: int) -> httpx.Response:
        """Posts an order; with `espera` it waits so many seconds for the decision."""
        corpo = {"clienteId": "ana", "itens": [{"sku": s, "quantidade": q} for s, q in itens.items()]}
        headers = {"Prefer": f"wait={espera}"} if espera else {}
        return await self.client.post("/pedidos", json=corpo, headers=headers)

    async def status(self, pedido_id: str) -> str:
        resposta = await self.client.get("/statusPedido", params={"pedidoId": pedido_id})
        return resposta.raise_for_status().json()["status"]


async def ate(condicao: Callable[[], Awaitable[T]], segundos: float = 30) -> T:
    """What `condicao` returns once it is true. Raises TimeoutError, which says what it returned last."""
    fim = time.monotonic() + segundos
    while True:
        valor = await condicao()
        if valor:
            return valor
        if time.monotonic() > fim:
            raise TimeoutError(f"not true after {segundos} s; it was {valor!r} last")
        await asyncio.sleep(0.05)


@asynccontextmanager
async def abrir_loja(sistema: Instalado) -> AsyncIterator[Loja]:
    limites = httpx.Limits(max_connections=300)
    async with httpx.AsyncClient(
        base_url=sistema.gateway_url,
        timeout=60,
        limits=limites,
        trust_env=False,
        event_hooks={"response": [conferir_resposta]},
    ) as client:
        yield Loja(sistema, client)


_counted: "WeakKeyDictionary[System, dict[str, float]]" = WeakKeyDictionary()
"""`conferir_violations_total` after the previous test, so that a violation fails one test and not all that follow."""


def counted_since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """By how much counters have grown; one that is lower than before began anew, with its program."""
    return {name: n - before.get(name, 0) if n >= before.get(name, 0) else n for name, n in now.items()}


async def conferir(sistema: System) -> None:
    """Nothing was oversold or lost, and soon nothing is under way; nor has `conferir` found anything meanwhile."""
    achadas: list[Violation] = []
    async with banco(sistema, "pedidos") as pedidos, banco(sistema, "estoque") as estoque:
        # A message that a killed part had in its hands is sent again after 30 s.
        await full_audit.audit(Databases(pedidos, estoque), Criteria(at_rest=True), 45, achadas.append)
    assert achadas == []
    if "conferir" in sistema.names():
        before, now = _counted.get(sistema, {}), await violacoes_contadas(sistema)
        _counted[sistema] = now
        assert counted_since(before, now) == {rule.value: 0 for rule in Rule}


async def violacoes_contadas(sistema: System) -> dict[str, float]:
    """`conferir_violations_total` of the part `conferir` by rule."""
    async with httpx.AsyncClient(base_url=sistema.program_url("conferir"), trust_env=False) as client:
        texto = (await client.get("/metrics")).raise_for_status().text
    return {
        rule: float(n) for rule, n in re.findall(r'^conferir_violations_total\{rule="(\w+)"\} (\S+)', texto, re.M)
    }


def logs(sistema: System) -> dict[str, str]:
    """Every log of the system by part."""
    return {nome: sistema.log(nome) for nome in sistema.names()}


def banco(sistema: System, nome: str) -> Any:
    """A pool on a database of the system, to be used with `async with`."""
    return asyncpg.create_pool(sistema.database_url(nome), min_size=0)
