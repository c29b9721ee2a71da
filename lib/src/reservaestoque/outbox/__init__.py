"""The transactional outbox: facts written in the transaction they report, published afterwards, at least once."""

from reservaestoque.outbox.relay import RELAY_IDLE_SECONDS, Relay
from reservaestoque.outbox.unknown import UnknownFactError

__all__ = ["RELAY_IDLE_SECONDS", "Relay", "UnknownFactError"]
