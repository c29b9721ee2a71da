"""Resends: pedidos republishes a command without an answer, and one whose answer must be out of date.

So the system recovers from a lost message in either direction.
"""

from datetime import timedelta
from typing import Any

import asyncpg
from prometheus_client import Counter

from reservaestoque.outbox import Relay
from reservaestoque.postgres import Queries
from reservaestoque.telemetry import first_ids, logger

STEP_ROWS = 500
LONGEST = timedelta(minutes=10)

_sql = Queries("pedidos")
_log = logger(__name__)
_resent = Counter("pedidos_resent_commands_total", "Commands resent because no answer arrived")
_follow_ups = Counter("pedidos_follow_ups_total", "Commands resent because their reservation must have lapsed")
_follow_ups_given_up = Counter(
    "pedidos_follow_ups_given_up_total", "Reservations that ended too long ago to be followed up"
)
_given_up = Counter("pedidos_given_up_commands_total", "Commands given up unanswered: investigate each one")


class Resend:
    """Republishes unanswered commands, first `after` their creation and then at growing intervals, until `until`.

    Follows up on reservations until `until` after their expiry, with commands younger than `horizon`: estoque refuses
    older ones.
    """

    def __init__(
        self, pool: "asyncpg.Pool[Any]", relay: Relay, *, after: timedelta, until: timedelta, horizon: timedelta
    ) -> None:
        self._pool = pool
        self._relay = relay
        self._after = after
        self._until = until
        self._horizon = horizon

    async def step(self) -> bool:
        """One bounded step; whether there is more to do. Raises what asyncpg raises."""
        await self._resend("resend_pedidos")
        await self._resend("resend_comandos")
        await self._follow_up()
        # Never resent back to back: resends must not pile up for a service that is unavailable.
        return False

    async def _resend(self, statement: str) -> None:
        row = await self._pool.fetchrow(_sql[statement], STEP_ROWS, self._after, LONGEST, self._until)
        resent, given_up = row["resent"], row["given_up"]
        if resent:
            _resent.inc(len(resent))
            _log.warning("commands_resent", count=len(resent), pedidos=first_ids(resent))
            self._relay.publish_row(row["outbox"])
        if given_up:
            _given_up.inc(len(given_up))
            _log.error("commands_given_up", count=len(given_up), pedidos=first_ids(given_up))

    async def _follow_up(self) -> None:
        row = await self._pool.fetchrow(_sql["follow_up"], STEP_ROWS, self._until, self._horizon)
        followed_up, given_up = row["asked"], row["given_up"]
        if followed_up:
            _follow_ups.inc(followed_up)
            self._relay.publish_row(row["outbox"])
        if given_up:
            _follow_ups_given_up.inc(len(given_up))
            _log.warning("follow_ups_given_up", count=len(given_up), pedidos=first_ids(given_up))
