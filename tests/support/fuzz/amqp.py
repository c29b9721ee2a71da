"""Garbage on both queues of a running system, interleaved with orders: nothing is lost, and orders are decided."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aio_pika
import httpx
from aio_pika.abc import AbstractChannel, AbstractQueue
from commands import cancelar
from shop import database
from waiting import until

from fuzz.garbage import Garbage, Maker
from local_system import System
from reservaestoque.bus import QUEUES
from reservaestoque.bus.dead_letters import QUEUE_HEADER, REASON_HEADER
from reservaestoque.events import encode_batches

SKU = "FUZZ-1"
CHUNK = 50
"""Messages on each queue between two orders."""
PATIENCE = 120


@dataclass
class Report:
    """The messages sent, their outcome, and the programs' memory in MiB before and after."""

    sent: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    without_reason: int = 0
    orders: int = 0
    undecided: list[str] = field(default_factory=list)
    slowest: float = 0.0
    seconds: float = 0.0
    consumers: dict[str, int] = field(default_factory=dict)
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all outcomes are as expected."""
        wrong = [*self.lost, *self.unexpected, *self.undecided]
        return not wrong and not self.without_reason and all(self.consumers.values())

    def lines(self) -> list[str]:
        """The report for people."""
        return [
            f"{self.sent.total()} messages in {self.seconds:.0f} s: "
            + ", ".join(f"{count} {kind}" for kind, count in sorted(self.sent.items())),
            f"not in the dead letters: {len(self.lost)} {self.lost[:5]}",
            f"in the dead letters without being expected: {len(self.unexpected)} {self.unexpected[:5]}",
            f"without a reason: {self.without_reason}",
            f"orders among them: {self.orders}, slowest {self.slowest:.2f} s, in a wrong state: {self.undecided}",
            f"consumers: {self.consumers}",
            *(f"memory of {name}: {a:.1f} MiB before, {b:.1f} after" for name, (a, b) in self.memory.items()),
        ]


async def run(system: System, *, count: int, seed: int) -> Report:
    """Sends `count` messages, half of them to each queue; the first fifth is warm-up."""
    report, began = Report(), time.monotonic()
    await _stock(system)
    async with _client(system) as client, await aio_pika.connect(system.amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        orders = _Orders(client, report)
        await orders.create()  # once they are decided, every queue has been declared
        for queue in QUEUES:
            await (await channel.get_queue(queue.dead_letters)).purge()
        makers = {
            "estoque.pedidos": Maker("estoque.pedidos", seed, orders.cancellation),
            "pedidos.status": Maker("pedidos.status", seed, orders.snapshot),
        }
        expected: dict[str, Counter[bytes]] = {name: Counter() for name in makers}
        garbage = {name: maker.messages(count // len(makers)) for name, maker in makers.items()}
        for number in range(0, count // len(makers), CHUNK):
            if number >= count // 10 and not report.memory:
                await _settled(channel, expected)
                report.memory = {name: (mib, 0.0) for name, mib in (await _memory(system)).items()}
            for name, messages in garbage.items():
                await _send(channel, name, messages, expected[name], report)
            await orders.create()
        await _settled(channel, expected)
        await orders.check()
        after = await _memory(system)
        report.memory = {name: (before, after[name]) for name, (before, _) in report.memory.items()}
        for queue in QUEUES:
            await _compare(channel, queue.name, expected[queue.name], report)
            declared = await channel.declare_queue(queue.name, passive=True)
            report.consumers[queue.name] = declared.declaration_result.consumer_count or 0
    report.seconds = time.monotonic() - began
    return report


async def _send(channel: AbstractChannel, name: str, messages: Any, expected: Counter[bytes], report: Report) -> None:
    chunk: Sequence[Garbage] = [one for _, one in zip(range(CHUNK), messages, strict=False)]
    for one in chunk:
        report.sent[one.kind] += 1
        expected.update(one.dead)
    await asyncio.gather(
        *(channel.default_exchange.publish(one.message, routing_key=name, mandatory=True) for one in chunk)
    )


async def _settled(channel: AbstractChannel, expected: dict[str, Counter[bytes]]) -> None:
    """Waits until there are as many dead letters as expected, at most for PATIENCE."""

    async def all_there() -> bool:
        counts = [await _count(channel, f"{name}.dlq") for name in expected]
        return all(n >= bodies.total() for n, bodies in zip(counts, expected.values(), strict=True))

    try:
        await until(all_there, PATIENCE)
    except TimeoutError:
        return  # `_compare` reports the missing ones


async def _count(channel: AbstractChannel, name: str) -> int:
    return (await channel.declare_queue(name, passive=True)).declaration_result.message_count or 0


async def _compare(channel: AbstractChannel, name: str, expected: Counter[bytes], report: Report) -> None:
    found = Counter[bytes]()
    dead: AbstractQueue = await channel.get_queue(f"{name}.dlq")
    while message := await dead.get(fail=False, no_ack=True):
        found[message.body] += 1
        if not message.headers.get(REASON_HEADER) or message.headers.get(QUEUE_HEADER) != name:
            report.without_reason += 1
    report.lost += [f"{name}: {body[:200]!r}" for body in (expected - found)]
    report.unexpected += [f"{name}: {body[:200]!r}" for body in (found - expected)]


class _Orders:
    """Orders placed between the garbage."""

    def __init__(self, client: httpx.AsyncClient, report: Report) -> None:
        self._client = client
        self._report = report
        self._ids: list[UUID] = []
        self._cancelled: list[UUID] = []

    async def create(self) -> None:
        """Places orders that must each be decided while the customer waits."""
        await asyncio.gather(*(self._create() for _ in range(5)))

    async def _create(self) -> None:
        began = time.monotonic()
        body = {"clienteId": "fuzz", "itens": [{"sku": SKU, "quantidade": 1}]}
        answer = await self._client.post("/pedidos", json=body, headers={"Prefer": "wait=30"})
        self._report.orders += 1
        self._report.slowest = max(self._report.slowest, time.monotonic() - began)
        order = answer.json()
        if order.get("status") == "EstoqueReservado":
            self._ids.append(UUID(order["pedidoId"]))
        else:
            self._report.undecided.append(answer.text)

    def cancellation(self) -> bytes:
        """A valid command."""
        order = self._ids.pop() if len(self._ids) > 1 else self._ids[0]
        self._cancelled.append(order)
        [(_, body)] = encode_batches([cancelar(order)])
        return body[1:-1]

    def snapshot(self) -> bytes:
        """An already known snapshot."""
        order = str(self._ids[0])
        data = {"pedidoId": order, "status": "EstoqueReservado", "versao": 1}
        time_ = datetime.now(UTC).isoformat()
        event = {"type": "AtualizarStatus", "id": f"{order}:1", "source": "/fuzz", "subject": order, "time": time_}
        return json.dumps({**event, "data": data}).encode()

    async def check(self) -> None:
        """Reports each order whose status is not the expected one."""
        cancelled = set(self._cancelled)
        left = {**dict.fromkeys(self._ids, "EstoqueReservado"), **dict.fromkeys(cancelled, "Cancelado")}
        for order, status in left.items():

            async def arrived(order: UUID = order, status: str = status) -> bool:
                return (await self._client.get(f"/pedidos/{order}")).json()["status"] == status

            try:
                await until(arrived, PATIENCE)
            except TimeoutError:
                self._report.undecided.append(f"{order} is not {status}")


async def _memory(system: System) -> dict[str, float]:
    async with httpx.AsyncClient(trust_env=False) as client:
        return {
            name: float(re.findall(r"^process_resident_memory_bytes (\S+)", text, re.M)[0]) / 2**20
            for name in ("pedidos-1", "estoque-1")
            for text in [(await client.get(f"{system.metrics_url(name)}/metrics")).text]
        }


@asynccontextmanager
async def _client(system: System) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {system.layout.issuer().token('fuzz')}"} if system.config.jwt else {}
    async with httpx.AsyncClient(base_url=system.gateway_url, trust_env=False, timeout=60, headers=headers) as client:
        yield client


async def _stock(system: System) -> None:
    async with database(system, "estoque") as pool:
        await pool.execute(
            """insert into estoque (sku, nome, alvo, quantidade, dono)
               values ($1, 'Fuzz', 100000000, 100000000, 'fuzz/' || $1) on conflict do nothing""",
            SKU,
        )
