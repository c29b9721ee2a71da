"""The transactional outbox: facts written with the change they tell of, published afterwards, at least once."""

from reservaestoque.outbox.relay import RELAY_IDLE_SECONDS, Relay
from reservaestoque.outbox.unknown import UnknownFactError

__all__ = ["RELAY_IDLE_SECONDS", "Relay", "UnknownFactError"]
