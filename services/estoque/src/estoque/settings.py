"""What estoque reads from the environment."""

from datetime import timedelta

from pydantic import Field

from reservaestoque.settings import Duration, Settings


class EstoqueSettings(Settings):
    """`reserva_ttl` is how long a reservation holds; `max_events` how many events a transaction decides."""

    amqp_url: str = Field(pattern=r"^amqps?://", repr=False)
    reserva_ttl: Duration = timedelta(minutes=30)
    max_events: int = Field(default=200, ge=1, le=1000)
    pool_size: int = Field(default=8, ge=3, le=100)
