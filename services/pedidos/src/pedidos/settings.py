"""What pedidos reads from the environment."""

from pydantic import Field

from reservaestoque.settings import Settings


class PedidosSettings(Settings):
    """`max_batch` new orders share a commit; more than `max_waiting` waiting for one are answered 503."""

    amqp_url: str = Field(pattern=r"^amqps?://", repr=False)
    max_batch: int = Field(default=200, ge=1, le=1000)
    max_waiting: int = Field(default=2000, ge=1)
    max_events: int = Field(default=200, ge=1, le=1000)
    pool_size: int = Field(default=10, ge=4, le=100)
