"""Load: customers who order, buy, cancel and query at a bounded rate; every answer is kept."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import uuid4

import httpx


@dataclass(frozen=True)
class Answer:
    """An answer; without one, `code` is 0 and `error` says why. Times are of time.monotonic()."""

    request: str
    start: float
    end: float
    code: int
    body: dict[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def failed(self) -> bool:
        return not 200 <= self.code < 300

    @property
    def decided(self) -> bool:
        """Whether this order waited for its decision and received it."""
        return self.code in (200, 201)


class Customers:
    """Sends its requests while its context is open.

    Each second `per_second` customers begin, however slow the answers are, unless `at_once` are already active. Each
    orders one unit, with Prefer: wait; then one in three closes the order, one in three cancels it, and one in three
    queries it and the stock. Every change has an Idempotency-Key, so that the gateway may retry it. With `wait` 0
    they do not wait for decisions. A request times out after `patience` seconds. `options`
    returns additional arguments of the HTTP client for a clienteId.
    """

    def __init__(
        self,
        url: str,
        skus: Sequence[str],
        *,
        per_second: float,
        wait: int = 10,
        at_once: int = 400,
        patience: float = 45,
        options: Callable[[str], dict[str, Any]] = lambda _: {},
    ):
        self.cliente = f"load-{uuid4()}"
        self.answers: list[Answer] = []
        self._url = url
        self._skus = skus
        self._pause = 1 / per_second
        self._wait = wait
        self._at_once = at_once
        self._patience = patience
        self._options = options(self.cliente)
        self._rng = random.Random(1)
        self._stop = asyncio.Event()

    async def __aenter__(self) -> Self:
        limits = httpx.Limits(max_connections=self._at_once, max_keepalive_connections=50)
        self._http = httpx.AsyncClient(
            base_url=self._url, timeout=self._patience, limits=limits, trust_env=False, **self._options
        )
        self._arrivals_task = asyncio.create_task(self._arrivals())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await self._arrivals_task
        await self._http.aclose()

    # Results

    @property
    def failures(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.failed]

    @property
    def accepted(self) -> set[str]:
        """The ids of all orders that were answered 2xx."""
        return {r.body["pedidoId"] for r in self.answers if r.request == "POST /pedidos" and not r.failed}

    def decided_since(self, since: float) -> list[Answer]:
        """Orders decided while their customer waited, begun after an instant."""
        return [r for r in self.answers if r.start >= since and r.request == "POST /pedidos" and r.decided]

    def recovery(self, since: float) -> float:
        """Seconds from an instant until orders were decided again for good; 0 if decisions never stopped."""
        bad = [
            r.start
            for r in self.answers
            if r.end >= since and (r.failed or (r.request == "POST /pedidos" and not r.decided))
        ]
        if not bad:
            return 0.0
        good = self.decided_since(max(bad))
        return min(r.end for r in good) - since if good else float("inf")

    def summary(self) -> str:
        """The requests, their answers and durations, and the failures, if any."""
        if not self.answers:
            return "no requests were sent"
        durations = sorted(r.end - r.start for r in self.answers)
        whole = max(r.end for r in self.answers) - min(r.start for r in self.answers)
        codes = dict(sorted(Counter(r.code for r in self.answers).items()))
        errors = Counter(f"{r.request.split('/')[0]}{r.code} {r.error[:200]}" for r in self.failures)
        return (
            f"{len(self.answers)} requests in {whole:.0f} s, answers {codes}, "
            f"median {durations[len(durations) // 2]:.3f} s, longest {durations[-1]:.1f} s"
            + (f"; failed: {dict(errors.most_common(5))}" if errors else "")
        )

    # The customers

    async def _arrivals(self) -> None:
        async with asyncio.TaskGroup() as group:
            present: set[asyncio.Task[None]] = set()
            next_one = time.monotonic()
            while not self._stop.is_set():
                if len(present) < self._at_once:
                    customer = group.create_task(self._buy())
                    present.add(customer)
                    customer.add_done_callback(present.discard)
                next_one = max(next_one + self._pause, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, next_one - time.monotonic()))

    async def _buy(self) -> None:
        sku, intent = self._rng.choice(self._skus), self._rng.randrange(3)
        body = {"clienteId": self.cliente, "itens": [{"sku": sku, "quantidade": 1}]}
        order = await self._request("POST", "/pedidos", body)
        if order.failed:
            return
        request = order.body["pedidoId"]
        if intent == 2:
            await self._request("GET", f"/pedidos/{request}")
            await self._request("GET", f"/estoque/{sku}")
        elif order.body["status"] == "EstoqueReservado":
            await self._request("POST", f"/pedidos/{request}/{('fechar', 'cancelar')[intent]}")

    async def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        headers = {"Idempotency-Key": str(uuid4())} if method == "POST" else {}
        if headers and self._wait:
            headers["Prefer"] = f"wait={self._wait}"
        start = time.monotonic()
        try:
            response = await self._http.request(method, path, json=body, headers=headers)
            code, content, error = (
                response.status_code,
                _content(response),
                "" if response.is_success else response.text,
            )
        except httpx.HTTPError as fault:
            code, content, error = 0, {}, repr(fault)
        answer = Answer(f"{method} {path}", start, time.monotonic(), code, content, error)
        self.answers.append(answer)
        return answer


def _content(response: httpx.Response) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(response.content) if response.is_success else {}
    return content


async def ids_of(http: httpx.AsyncClient, cliente: str, **filters: str) -> set[str]:
    """The ids of all orders of a customer."""
    return set(await orders_of(http, cliente, **filters))


async def orders_of(http: httpx.AsyncClient, cliente: str, **filters: str) -> dict[str, dict[str, Any]]:
    """All orders of a customer by their ids, read page by page."""
    orders: dict[str, dict[str, Any]] = {}
    cursor: dict[str, str] | None = {}
    while cursor is not None:
        params = {"clienteId": cliente, "limite": "100", **filters, **cursor}
        page = (await http.get("/pedidos", params=params)).raise_for_status().json()
        orders |= {pedido["pedidoId"]: pedido for pedido in page["itens"]}
        cursor = {"cursor": page["proximo"]} if page["proximo"] else None
    return orders
