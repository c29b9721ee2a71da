"""In place of a relay: what is committed stays in the outbox."""

from collections.abc import Sequence

from reservaestoque.events import CloudEvent


class NoRelay:
    """Publishes nothing."""

    def publish(self, rows: Sequence[int], events: Sequence[CloudEvent]) -> None:
        """Leaves them in the outbox."""

    def wake(self) -> None:
        """Nothing to do."""
