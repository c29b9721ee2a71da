"""A stand-in for the relay: committed facts stay in the outbox."""

from collections.abc import Sequence

from reservaestoque.events import CloudEvent


class NoRelay:
    """Publishes nothing."""

    def publish(self, rows: Sequence[int], events: Sequence[CloudEvent]) -> None:
        """Leaves the rows in the outbox."""

    def publish_row(self, row: int) -> None:
        """Leaves the row in the outbox."""
