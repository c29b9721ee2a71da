"""How much waits in the outbox, and for how long."""

from prometheus_client import Gauge

MAX_COUNT = 100_000
"""Rows that are counted at most, so that a look at a long backlog stays cheap."""

_depth = Gauge("outbox_depth", f"Rows that wait in the outbox, counted up to {MAX_COUNT}")
_oldest = Gauge("outbox_oldest_seconds", "How long the oldest row has been seen waiting in the outbox")


class Backlog:
    """Follows the oldest row from look to look. Rows do not say when they were written, so their age is that of the
    first look that found them oldest.
    """

    def __init__(self) -> None:
        self._oldest: int | None = None
        self._since = 0.0

    def seen(self, oldest: int | None, depth: int, now: float) -> None:
        """What a look found: the id of the oldest row, and how many there are."""
        if oldest != self._oldest:
            self._oldest, self._since = oldest, now
        _depth.set(depth)
        _oldest.set(0.0 if oldest is None else now - self._since)
