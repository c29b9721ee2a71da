"""How much waits in the outbox, and for how long."""

from collections import deque

from prometheus_client import Gauge

MAX_COUNT = 10_000
"""Rows that are counted at most, so that a look at a long backlog stays cheap."""
_REMEMBERED = 20_000
"""Looks at a backlog that keeps growing: hours."""

_depth = Gauge("outbox_depth", f"Rows that wait in the outbox, counted up to {MAX_COUNT}")
_oldest = Gauge("outbox_oldest_seconds", "How long the oldest row has been seen waiting in the outbox")


class Backlog:
    """Knows how long a row has been there from the newest rows that earlier looks saw: rows carry no time."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque(maxlen=_REMEMBERED)

    def seen(self, oldest: int | None, newest: int | None, depth: int, now: float) -> None:
        """Reports what a look found at `now`, monotonic: the oldest and newest id, and how many rows there are."""
        _depth.set(depth)
        _oldest.set(self.age(oldest, newest, now))

    def age(self, oldest: int | None, newest: int | None, now: float) -> float:
        """The age of row `oldest`, in seconds, as far as it was watched; 0 without rows."""
        if oldest is None or newest is None:
            self._looks.clear()
            return 0.0
        if not self._looks or self._looks[-1][1] < newest:
            self._looks.append((now, newest))
        while self._looks[0][1] < oldest:
            self._looks.popleft()
        return now - self._looks[0][0]
