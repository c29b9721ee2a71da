"""Resends: a command without an answer is published again, and one whose answer must be out of date.

So a message that was lost heals itself, whichever way it went.
"""

from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from reservaestoque.outbox import Relay
from reservaestoque.postgres import Queries
from reservaestoque.telemetry import logger

STEP_ROWS = 500
LONGEST = timedelta(minutes=10)

_sql = Queries("pedidos")
_log = logger(__name__)
_resent = Counter("pedidos_resent_commands_total", "Commands published again for want of an answer")
_asked = Counter("pedidos_asked_again_total", "Commands published again because their reservation must have lapsed")
_unasked = Counter("pedidos_given_up_questions_total", "Reservations that ended too long ago to be asked about")
_given_up = Counter("pedidos_given_up_commands_total", "Commands that were never answered: look into each one")


class Reenvio:
    """Publishes unanswered commands again, `apos` after they were made and then ever more rarely; not after `ate`.

    Reservations are asked about until `ate` after their end, with commands that are younger than `horizonte`, beyond
    which estoque refuses them.
    """

    def __init__(
        self, pool: "asyncpg.Pool[Any]", relay: Relay, *, apos: timedelta, ate: timedelta, horizonte: timedelta
    ) -> None:
        self._pool = pool
        self._relay = relay
        self._apos = apos
        self._ate = ate
        self._horizonte = horizonte

    async def passo(self) -> bool:
        """One bounded step; whether there is more to do. Raises what asyncpg raises."""
        await self._reenviar()
        await self._perguntar()
        # Never at once again: what waits for a service that is away should not grow by its own repetition.
        return False

    async def _reenviar(self) -> None:
        row = await self._pool.fetchrow(_sql["reenviar_comandos"], STEP_ROWS, self._apos, LONGEST, self._ate)
        reenviados, abandonados = row["reenviados"], row["abandonados"]
        if reenviados:
            _resent.inc(reenviados)
            _log.warning("commands_resent", count=reenviados)
            self._relay.wake()
        if abandonados:
            _given_up.inc(abandonados)
            _log.error("commands_given_up", count=abandonados)

    async def _perguntar(self) -> None:
        row = await self._pool.fetchrow(_sql["perguntar_de_novo"], STEP_ROWS, self._ate, self._horizonte)
        perguntados, abandonados = row["perguntados"], row["abandonados"]
        if perguntados:
            _asked.inc(perguntados)
            self._relay.wake()
        if abandonados:
            _unasked.inc(abandonados)
            _log.warning("questions_given_up", count=abandonados)
