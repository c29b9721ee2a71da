"""Handles AtualizarStatus: the highest version wins, lower ones are counted and dropped."""

import time
from collections import Counter as Tally
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
from prometheus_client import Counter, Histogram

from pedidos.repository import apply, locked_orders
from reservaestoque.bus import Unprocessable
from reservaestoque.events import AtualizarStatus, Status
from reservaestoque.telemetry import tracing

_FIRST = 1
"""The version of the snapshot that decides an order."""

_orders = Counter("pedidos_orders_total", "Snapshots by status; a redelivered one counts again", ["status"])
_decision = Histogram(
    "pedidos_decision_seconds",
    "From an order's acceptance until its decision is stored",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
_old = Counter("pedidos_old_snapshots_total", "Snapshots that were no newer than the order")

for _status in set(Status) - {Status.CRIADO}:
    _orders.labels(_status.value)  # so that a rate is 0 before the first one


class StatusHandler:
    """Applies estoque's snapshots to orders; schedules a follow-up on each reservation `resend_after` its expiry."""

    def __init__(self, pool: "asyncpg.Pool[Any]", *, resend_after: timedelta) -> None:
        self._pool = pool
        self._resend_after = resend_after

    async def handle(self, events: Sequence[AtualizarStatus]) -> Sequence[Unprocessable]:
        """Applies these snapshots in one transaction; refuses those of unknown orders.

        Raises what asyncpg raises; nothing is changed then.
        """
        applied, unknown = await apply(self._pool, events, self._resend_after)
        unprocessable = [
            Unprocessable(event, f"PedidoDesconhecido: there is no order {event.data.pedido_id}")
            for event in events
            if event.data.pedido_id in unknown
        ]
        _old.inc(len(events) - len(unprocessable) - applied)
        _observe([event for event in events if event.data.pedido_id not in unknown])
        return unprocessable

    async def find_blocked(self, events: Sequence[AtualizarStatus]) -> set[object]:
        """The ids of the snapshots whose order is locked by another session. Raises what asyncpg raises."""
        locked = await locked_orders(self._pool, [event.data.pedido_id for event in events])
        return {event.id for event in events if event.data.pedido_id in locked}


def _observe(events: Sequence[AtualizarStatus]) -> None:
    for status, count in Tally(event.data.status for event in events).items():
        _orders.labels(status.value).inc(count)
    now = time.time()
    for event in events:
        if event.data.versao == _FIRST:
            exemplar = tracing.exemplar(event.traceparent or "")
            _decision.observe(max(now - _created_at(event.data.pedido_id), 0.0), exemplar)


def _created_at(pedido_id: UUID) -> float:
    """The creation time of the order in seconds: a UUIDv7 begins with the milliseconds (RFC 9562, section 5.7)."""
    return (pedido_id.int >> 80) / 1000
