"""Handles AtualizarStatus: the highest version wins, lower ones are counted and dropped."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from pedidos.repository import apply, locked_orders
from reservaestoque.bus import Refused
from reservaestoque.events import AtualizarStatus

_old = Counter("pedidos_old_snapshots_total", "Snapshots that were no newer than the order")


class StatusHandler:
    """Applies estoque's snapshots to orders; schedules a question about a reservation `ask_after` its expiry."""

    def __init__(self, pool: "asyncpg.Pool[Any]", *, ask_after: timedelta) -> None:
        self._pool = pool
        self._ask_after = ask_after

    async def handle(self, events: Sequence[AtualizarStatus]) -> Sequence[Refused]:
        """Applies these snapshots in one transaction; refuses those of unknown orders.

        Raises what asyncpg raises; nothing is changed then.
        """
        applied, unknown = await apply(self._pool, events, self._ask_after)
        refused = [
            Refused(event, f"PedidoDesconhecido: there is no order {event.data.pedido_id}")
            for event in events
            if event.data.pedido_id in unknown
        ]
        _old.inc(len(events) - len(refused) - applied)
        return refused

    async def find_blocked(self, events: Sequence[AtualizarStatus]) -> set[object]:
        """The ids of those whose order is locked by another session. Raises what asyncpg raises."""
        locked = await locked_orders(self._pool, [event.data.pedido_id for event in events])
        return {event.id for event in events if event.data.pedido_id in locked}
