"""The settings that pedidos reads from the environment."""

from datetime import timedelta
from typing import Self

from pydantic import Field, model_validator

from reservaestoque.settings import Duration, ServiceSettings, format_duration


class PedidosSettings(ServiceSettings):
    """`max_batch` commands share a commit; when more than `max_waiting` wait for one, further ones are answered 503.

    A command without an answer is resent after `resend_after`, and so is one whose reservation must have lapsed.
    Idempotency keys and answered commands are kept for `idempotency_retention`, ended orders for `order_retention`.
    """

    max_batch: int = Field(default=200, ge=1, le=1000)
    max_waiting: int = Field(default=2000, ge=1)
    resend_after: Duration = timedelta(seconds=30)
    idempotency_retention: Duration = timedelta(days=1)
    order_retention: Duration = timedelta(days=90)

    @model_validator(mode="after")
    def _resends_end(self) -> Self:
        self.require_shorter(("resend_after",), "resend_horizon", "or no command is ever resent")
        return self

    @model_validator(mode="after")
    def _retention_is_long_enough(self) -> Self:
        if self.idempotency_retention < self.resend_horizon:
            raise ValueError(
                f"IDEMPOTENCY_RETENTION ({format_duration(self.idempotency_retention)}) must not be shorter than "
                f"RESEND_HORIZON ({format_duration(self.resend_horizon)}), or a request that is repeated while its "
                "command is still being sent creates a second order"
            )
        self.require_shorter(
            ("idempotency_retention",), "order_retention", "or an idempotency key outlives its order"
        )
        self.require_shorter(
            ("event_horizon",), "order_retention", "or an order is purged while its commands are being answered"
        )
        return self
