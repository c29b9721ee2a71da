"""The consumer of commands: decides what arrives, in batches, and wakes the relay."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from estoque.lote import processar
from reservaestoque.bus import Refused
from reservaestoque.events import Comando
from reservaestoque.outbox import Relay

_TRIES = 5

_repeated = Counter("estoque_repeated_events_total", "Events that came again and changed nothing")


class Consumidor:
    """Decides commands on the database behind `pool`; reservations hold for `ttl`."""

    def __init__(self, pool: "asyncpg.Pool[Any]", relay: Relay, ttl: timedelta) -> None:
        self._pool = pool
        self._relay = relay
        self._ttl = ttl

    async def tratar(self, comandos: Sequence[Comando]) -> Sequence[Refused]:
        """Decides these commands in one transaction. Raises what asyncpg raises; nothing is changed then."""
        novos = await self._processar(comandos)
        _repeated.inc(len(comandos) - novos)
        self._relay.wake()
        return ()

    async def _processar(self, comandos: Sequence[Comando]) -> int:
        for _ in range(_TRIES - 1):
            try:
                async with self._pool.acquire() as connection:
                    return await processar(connection, comandos, self._ttl)
            except asyncpg.UniqueViolationError:
                continue  # another replica has just heard of one of these orders; its row can be locked now
        async with self._pool.acquire() as connection:
            return await processar(connection, comandos, self._ttl)
