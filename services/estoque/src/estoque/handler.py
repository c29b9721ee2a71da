"""Handles commands: decides incoming batches and hands the answers to the relay."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from estoque.batch import BatchResult, blocked_orders, process
from estoque.events import event_of
from estoque.scarcity import Scarcity
from reservaestoque.bus import Unprocessable
from reservaestoque.events import Comando
from reservaestoque.outbox import Relay

_TRIES = 5

_repeated = Counter("estoque_repeated_events_total", "Redelivered events that changed nothing")


class CommandHandler:
    """Decides commands on the database behind `pool`; reservations hold for `ttl`.

    Refuses commands older than `horizon`: the inbox may have forgotten their ids, so they could take effect twice.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", relay: Relay, ttl: timedelta, horizon: timedelta) -> None:
        self._pool = pool
        self._relay = relay
        self._ttl = ttl
        self._horizon = horizon
        self._scarcity = Scarcity()

    async def handle(self, commands: Sequence[Comando]) -> Sequence[Unprocessable]:
        """Decides these commands in one transaction. Raises what asyncpg raises; nothing is changed then."""
        result = await self._process(commands)
        if result.outbox is not None:
            self._relay.publish([result.outbox], [event_of(fact, result.now) for fact in result.facts])
        unprocessable = [
            *[
                Unprocessable(c, f"ForaDoHorizonte: created {c.time}, over {self._horizon} ago")
                for c in result.too_old
            ],
            *[Unprocessable(c, "PedidoEsquecido: redelivered after its order was purged") for c in result.purged],
        ]
        _repeated.inc(len(commands) - result.new - len(unprocessable))
        return unprocessable

    async def find_blocked(self, commands: Sequence[Comando]) -> set[object]:
        """The ids of the commands that need a row locked by another session. Raises what asyncpg raises."""
        blocked = await blocked_orders(self._pool, commands)
        return {command.id for command in commands if command.data.pedido_id in blocked}

    async def _process(self, commands: Sequence[Comando]) -> BatchResult:
        for _ in range(_TRIES - 1):
            try:
                return await self._attempt(commands)
            except asyncpg.UniqueViolationError:
                continue  # another replica has just inserted one of these orders; its row can be locked now
        return await self._attempt(commands)

    async def _attempt(self, commands: Sequence[Comando]) -> BatchResult:
        async with self._pool.acquire() as connection:
            return await process(connection, commands, self._ttl, self._horizon, self._scarcity)
