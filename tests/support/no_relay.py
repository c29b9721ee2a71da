"""A stand-in for the relay: committed facts stay in the outbox."""

from collections.abc import Sequence

from reservaestoque.events import CloudEvent


class NoRelay:
    """Publishes nothing."""

    def publish(self, rows: Sequence[int], events: Sequence[CloudEvent]) -> None:
        """Leaves them in the outbox."""

    def publish_row(self, row: int) -> None:
        """Leaves it in the outbox."""
