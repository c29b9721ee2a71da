"""The transactional outbox: facts written with the change they tell of, published afterwards, at least once."""

from reservaestoque.outbox.relay import Relay

__all__ = ["Relay"]
