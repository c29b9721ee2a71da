"""The consumer of commands: decides what arrives, in batches, and wakes the relay."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from estoque.lote import Resultado, bloqueados, processar
from reservaestoque.bus import Refused
from reservaestoque.events import Comando
from reservaestoque.outbox import Relay

_TRIES = 5

_repeated = Counter("estoque_repeated_events_total", "Events that came again and changed nothing")


class Consumidor:
    """Decides commands on the database behind `pool`; reservations hold for `ttl`.

    Commands older than `horizonte` are refused: their ids may have been forgotten, they could take effect twice.
    """

    def __init__(self, pool: "asyncpg.Pool[Any]", relay: Relay, ttl: timedelta, horizonte: timedelta) -> None:
        self._pool = pool
        self._relay = relay
        self._ttl = ttl
        self._horizonte = horizonte

    async def handle(self, comandos: Sequence[Comando]) -> Sequence[Refused]:
        """Decides these commands in one transaction. Raises what asyncpg raises; nothing is changed then."""
        resultado = await self._processar(comandos)
        self._relay.wake()
        recusados = [
            *[
                Refused(c, f"ForaDoHorizonte: made {c.time}, longer ago than {self._horizonte}")
                for c in resultado.fora_do_horizonte
            ],
            *[
                Refused(c, "PedidoEsquecido: it came again, and its order has been purged")
                for c in resultado.esquecidos
            ],
        ]
        _repeated.inc(len(comandos) - resultado.novos - len(recusados))
        return recusados

    async def find_blocked(self, comandos: Sequence[Comando]) -> set[object]:
        """The ids of those that need a row which somebody else holds at this moment. Raises what asyncpg raises."""
        presos = await bloqueados(self._pool, comandos)
        return {comando.id for comando in comandos if comando.data.pedido_id in presos}

    async def _processar(self, comandos: Sequence[Comando]) -> Resultado:
        for _ in range(_TRIES - 1):
            try:
                return await self._tentar(comandos)
            except asyncpg.UniqueViolationError:
                continue  # another replica has just heard of one of these orders; its row can be locked now
        return await self._tentar(comandos)

    async def _tentar(self, comandos: Sequence[Comando]) -> Resultado:
        async with self._pool.acquire() as connection:
            return await processar(connection, comandos, self._ttl, self._horizonte)
