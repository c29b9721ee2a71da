"""The durations and retentions in a seed's history: within what both services accept, and right at the limits."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from estoque.settings import EstoqueSettings
from pedidos.settings import PedidosSettings

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EDGE = timedelta(milliseconds=1)
"""The margin, at the limit of what is allowed, by which one setting exceeds another that it must exceed."""


@dataclass(frozen=True)
class Times:
    """The durations among both services' settings, by name; each service has its own ORDER_RETENTION."""

    reserva_ttl: timedelta
    resend_after: timedelta
    resend_horizon: timedelta
    event_horizon: timedelta
    abandoned_after: timedelta
    idempotency_retention: timedelta
    inbox_retention: timedelta
    estoque_order_retention: timedelta
    pedidos_order_retention: timedelta
    change_retention: timedelta = DAY

    @property
    def shortest_memory(self) -> timedelta:
        """Nothing younger than this is purged, except idempotency keys and changes."""
        return min(self.inbox_retention, self.estoque_order_retention, self.pedidos_order_retention)

    @classmethod
    def default(cls) -> Self:
        """The services' own defaults."""
        return cls(
            reserva_ttl=30 * MINUTE,
            resend_after=MINUTE / 2,
            resend_horizon=DAY,
            event_horizon=6 * DAY,
            abandoned_after=7 * DAY,
            idempotency_retention=DAY,
            inbox_retention=7 * DAY,
            estoque_order_retention=30 * DAY,
            pedidos_order_retention=90 * DAY,
        )

    @classmethod
    def draw(cls, seed: int) -> Self:
        """Deterministic for a seed. Raises ValidationError when the services would refuse the drawn settings."""
        rng = random.Random(f"{seed}/times")
        slack = rng.choice([EDGE, EDGE, HOUR, DAY])
        reserva_ttl = rng.choice([30 * MINUTE, 30 * MINUTE, 5 * MINUTE, 36 * HOUR, 72 * HOUR])
        resend_horizon = rng.choice([3 * HOUR, DAY, DAY, 2 * DAY])
        event_horizon = max(reserva_ttl + resend_horizon, rng.choice([timedelta(), 6 * DAY])) + slack
        abandoned_after = rng.choice([HOUR, DAY, 7 * DAY])
        idempotency_retention = resend_horizon + rng.choice([timedelta(), slack])
        inbox_retention = event_horizon + slack
        times = cls(
            reserva_ttl=reserva_ttl,
            resend_after=rng.choice([30 * timedelta(seconds=1), 5 * MINUTE]),
            resend_horizon=resend_horizon,
            event_horizon=event_horizon,
            abandoned_after=abandoned_after,
            idempotency_retention=idempotency_retention,
            inbox_retention=inbox_retention,
            estoque_order_retention=max(inbox_retention, reserva_ttl + abandoned_after + event_horizon) + slack,
            pedidos_order_retention=max(idempotency_retention, event_horizon) + slack,
        )
        times.check()
        return times

    def check(self) -> None:
        """Raises ValidationError unless both services accept these settings."""
        addresses = {"database_url": "postgres://", "amqp_url": "amqp://"}
        shared = {
            "reserva_ttl": self.reserva_ttl,
            "resend_horizon": self.resend_horizon,
            "event_horizon": self.event_horizon,
            "abandoned_after": self.abandoned_after,
            "change_retention": self.change_retention,
        }
        EstoqueSettings(
            **addresses,
            **shared,
            inbox_retention=self.inbox_retention,
            order_retention=self.estoque_order_retention,
        )
        PedidosSettings(
            **addresses,
            **shared,
            resend_after=self.resend_after,
            idempotency_retention=self.idempotency_retention,
            order_retention=self.pedidos_order_retention,
        )
