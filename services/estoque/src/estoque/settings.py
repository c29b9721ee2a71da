"""The settings that estoque reads from the environment."""

from datetime import timedelta
from typing import Self

from pydantic import model_validator

from reservaestoque.settings import Duration, ServiceSettings


class EstoqueSettings(ServiceSettings):
    """Event ids are kept for `inbox_retention`, ended orders for `order_retention`.

    Both must outlast every command that may still arrive about them, so that nothing takes effect twice.
    """

    inbox_retention: Duration = timedelta(days=7)
    order_retention: Duration = timedelta(days=30)

    @model_validator(mode="after")
    def _retention_is_long_enough(self) -> Self:
        self.require_shorter(("event_horizon",), "inbox_retention", "or a redelivered event could take effect twice")
        self.require_shorter(("inbox_retention",), "order_retention", "or a redelivered event finds its order purged")
        # pedidos may not know yet that an order has ended. The last command that it sends cancels the order.
        self.require_shorter(
            ("reserva_ttl", "abandoned_after", "event_horizon"),
            "order_retention",
            "or estoque purges an order that pedidos has yet to cancel",
        )
        return self
