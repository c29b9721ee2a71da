"""What estoque reads from the environment."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from reservaestoque.settings import Duration, Settings


class EstoqueSettings(Settings):
    """`reserva_ttl` is how long a reservation holds; `max_events` how many events a transaction decides.

    Events older than `event_horizon` are refused, event ids kept for `inbox_retention`, ended orders for
    `order_retention`: each longer than the one before, so that nothing takes effect twice. What event streams may
    be resumed from is kept for `change_retention`; at most `max_streams` of them are open at once.
    """

    amqp_url: str = Field(pattern=r"^amqps?://", repr=False)
    reserva_ttl: Duration = timedelta(minutes=30)
    max_events: int = Field(default=200, ge=1, le=1000)
    event_horizon: Duration = timedelta(days=6)
    inbox_retention: Duration = timedelta(days=7)
    order_retention: Duration = timedelta(days=30)

    change_retention: Duration = timedelta(days=1)
    max_streams: int = Field(default=1000, ge=1)

    @model_validator(mode="after")
    def _each_longer_than_the_one_before(self) -> Self:
        if not self.event_horizon < self.inbox_retention < self.order_retention:
            raise ValueError("EVENT_HORIZON must be shorter than INBOX_RETENTION, and that than ORDER_RETENTION")
        return self
