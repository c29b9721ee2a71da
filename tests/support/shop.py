"""A shop and its customers, as seen from outside: kubectl and REST through the gateway."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import aiohttp
import asyncpg
import httpx
from contract import check_response
from httpx_aiohttp import AiohttpTransport
from stock_items import StockItems
from waiting import until

from conferir import full_audit
from conferir.agreement_rules import Criteria
from conferir.snapshot import Databases
from conferir.violation import Rule, Violation
from local_system import System
from local_system.checks import PLAIN_HTTP

_CONNECTIONS = 300
NO_ORDER = "00000000-0000-4000-8000-000000000000"
"""An id that no order has. It is part of test names, which must be the same in all processes that collect tests."""


class Installed(Protocol):
    """A running system: the local one or one on a cluster."""

    @property
    def gateway_url(self) -> str: ...

    def kubectl(self, *args: str, stdin: str = "") -> str: ...


class Shop:
    """One shop on a running system."""

    def __init__(self, system: Installed, client: httpx.AsyncClient, stock_items: StockItems | None = None) -> None:
        self.system = system
        self._stock_items = stock_items
        self.client = client
        self._effects = 0  # declarations, and POSTs without an answer that excludes an effect
        client.event_hooks["request"].append(self._sent)
        client.event_hooks["response"].append(self._answered)

    async def _sent(self, request: httpx.Request) -> None:
        self._effects += request.method == "POST"

    async def _answered(self, response: httpx.Response) -> None:
        self._effects -= response.request.method == "POST" and response.is_client_error

    @property
    def changed(self) -> bool:
        """Whether stock was declared, or a POST may have had an effect, even if its answer was lost."""
        return self._effects > 0

    async def declare(self, sku: str, quantity: int, **spec: object) -> None:
        """Applies a StockItem and waits until customers see it."""
        await asyncio.to_thread(self.apply, sku, quantity, **spec)
        await until(lambda: self._seen(sku, quantity))

    def apply(self, sku: str, quantity: int, **spec: object) -> None:
        self._effects += 1
        fields = {"sku": sku, "name": f"Produto {sku}", "quantity": quantity, **spec}
        manifest = {
            "apiVersion": "reservaestoque.dev/v1",
            "kind": "StockItem",
            "metadata": {"name": sku.lower()},
            "spec": fields,
        }
        if self._stock_items is not None:
            self._stock_items.apply(manifest)
        else:
            self.system.kubectl("apply", "--filename=-", stdin=json.dumps(manifest))

    async def _seen(self, sku: str, quantity: int) -> bool:
        response = await self.client.get(f"/estoque/{sku}")
        return response.status_code == 200 and response.json()["quantidade"] == quantity

    async def saldo(self, sku: str) -> dict[str, Any]:
        return (await self.client.get(f"/estoque/{sku}")).raise_for_status().json()

    async def order(self, wait: int = 10, **itens: int) -> httpx.Response:
        """Posts an order; `wait` is how many seconds it waits for the decision."""
        body = {"clienteId": "ana", "itens": [{"sku": s, "quantidade": q} for s, q in itens.items()]}
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        return await self.client.post("/pedidos", json=body, headers=headers)

    async def reserved(self, sku: str, quantity: int = 1) -> str:
        """Posts an order that must be reserved; returns its id."""
        pedido = (await self.order(**{sku: quantity})).json()
        assert pedido["status"] == "EstoqueReservado", pedido
        return pedido["pedidoId"]

    async def status(self, pedido_id: str) -> str:
        response = await self.client.get("/statusPedido", params={"pedidoId": pedido_id})
        return response.raise_for_status().json()["status"]


def _open_session() -> aiohttp.ClientSession:
    """A session whose requests equal httpx's and are never repeated.

    httpx's own transport needs twice the CPU for a request, and more with each open connection, because it examines
    all of them before each request.
    """
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=5)
    session = aiohttp.ClientSession(connector=connector, skip_auto_headers=("Content-Type",))
    session._retry_connection = False
    return session


@asynccontextmanager
async def open_shop(system: Installed) -> AsyncIterator[Shop]:
    customers = httpx.AsyncClient(
        base_url=system.gateway_url,
        timeout=60,
        transport=AiohttpTransport(client=_open_session, verify=PLAIN_HTTP),
        event_hooks={"response": [check_response]},
    )
    with StockItems(system) if isinstance(system, System) else nullcontext() as stock_items:
        async with customers as client:
            yield Shop(system, client, stock_items)


_counted: "WeakKeyDictionary[System, dict[str, float]]" = WeakKeyDictionary()
"""`conferir_violations_total` after the previous test, so that a violation fails one test and not all that follow."""


def counted_since(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, float]:
    """The growth of counters; one that is lower than before was reset by a restart of its program."""
    return {name: n - before.get(name, 0) if n >= before.get(name, 0) else n for name, n in now.items()}


async def conferir(system: System) -> None:
    """Asserts that nothing was oversold or lost, nothing stays in flight, and `conferir` reported no violation."""
    found: list[Violation] = []
    async with database(system, "pedidos") as pedidos, database(system, "estoque") as estoque:
        # A message that a killed part was handling is resent after 30 s.
        await full_audit.audit(Databases(pedidos, estoque), Criteria(at_rest=True), 45, found.append)
    assert found == []
    if "conferir" in system.names():
        before, now = _counted.get(system, {}), await counted_violations(system)
        _counted[system] = now
        assert counted_since(before, now) == {rule.value: 0 for rule in Rule}


async def counted_violations(system: System) -> dict[str, float]:
    """`conferir_violations_total` of the part `conferir` by rule."""
    async with httpx.AsyncClient(
        base_url=system.metrics_url("conferir"), trust_env=False, verify=PLAIN_HTTP
    ) as client:
        text = (await client.get("/metrics")).raise_for_status().text
    return {rule: float(n) for rule, n in re.findall(r'^conferir_violations_total\{rule="(\w+)"\} (\S+)', text, re.M)}


def logs(system: System) -> dict[str, str]:
    """Every log of the system by part."""
    return {name: system.log(name) for name in system.names()}


def database(system: System, name: str) -> Any:
    """A pool on a database of the system, to be used with `async with`."""
    return asyncpg.create_pool(system.database_url(name), min_size=0)
