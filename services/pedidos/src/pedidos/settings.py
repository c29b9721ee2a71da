"""What pedidos reads from the environment."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from reservaestoque.settings import Duration, Settings


class PedidosSettings(Settings):
    """`max_batch` commands share a commit; more than `max_waiting` waiting for one are answered 503.

    A command without an answer is sent again after `resend_after`, not after `resend_horizon`, which must be
    shorter than estoque's EVENT_HORIZON. Idempotency keys are kept for `idempotency_retention`, lapsed orders
    until they are cancelled after `abandoned_after`, ended ones for `order_retention`, and what event streams may
    be resumed from for `change_retention`. At most `max_streams` of them are open at once.
    """

    amqp_url: str = Field(pattern=r"^amqps?://", repr=False)
    max_batch: int = Field(default=200, ge=1, le=1000)
    max_waiting: int = Field(default=2000, ge=1)
    max_events: int = Field(default=200, ge=1, le=1000)
    resend_after: Duration = timedelta(seconds=30)
    resend_horizon: Duration = timedelta(days=1)
    idempotency_retention: Duration = timedelta(days=1)
    abandoned_after: Duration = timedelta(days=7)
    order_retention: Duration = timedelta(days=90)

    change_retention: Duration = timedelta(days=1)
    max_streams: int = Field(default=1000, ge=1)

    @model_validator(mode="after")
    def _resends_end(self) -> Self:
        if self.resend_after >= self.resend_horizon:
            raise ValueError("RESEND_AFTER must be shorter than RESEND_HORIZON")
        return self
