"""The depth of the outbox, and the age of its oldest row."""

from collections import deque

from prometheus_client import Gauge

MAX_COUNT = 10_000
"""The maximum number of facts counted, so that polling a long backlog stays cheap."""
_REMEMBERED = 20_000
"""The number of observations remembered: hours of a growing backlog."""

_depth = Gauge("outbox_depth", f"Facts waiting in the outbox, counted up to {MAX_COUNT}")
_oldest = Gauge("outbox_oldest_seconds", "How long the relay has seen the oldest row waiting in the outbox")


class Backlog:
    """Derives the age of a row from the newest rows of earlier observations, because rows carry no timestamp."""

    def __init__(self) -> None:
        self._observations: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)

    def observe(self, oldest: int | None, newest: int | None, depth: int, now: float) -> None:
        """Records an observation at `now` (monotonic): the oldest and newest row, and the number of facts."""
        _depth.set(depth)
        _oldest.set(self.age(oldest, newest, now))

    def age(self, oldest: int | None, newest: int | None, now: float) -> float:
        """The observed age of row `oldest` in seconds; 0 without rows."""
        if oldest is None or newest is None:
            self._observations.clear()
            return 0.0
        if not self._observations or self._observations[-1][1] < newest:
            self._observations.append((now, newest))
        while self._observations[0][1] < oldest:
            self._observations.popleft()
        return now - self._observations[0][0]
