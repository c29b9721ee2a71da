"""Facts written by another release that this one cannot read: their rows stay for a replica that knows them."""

from collections.abc import Mapping

from prometheus_client import Gauge

from reservaestoque.telemetry import logger

FORGET_SECONDS = 60.0
MAX_ROWS = 100_000
"""Maximum number of rows to skip. At that number a take is tens of milliseconds slower, and the process about ten
megabytes larger.
"""

_log = logger(__name__)
_left = Gauge("outbox_unknown_facts", "Rows of the outbox with a fact that only another release knows")


class UnknownFactError(Exception):
    """A fact in the outbox has a value that this release does not know."""


class UnknownFacts:
    """The rows that a relay skips. It forgets them once a minute, because other replicas may have published them."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._logged: set[int] = set()
        self._forgotten_at = float("-inf")

    @property
    def ids(self) -> list[int]:
        """The rows to leave in place."""
        return list(self._ids)

    @property
    def full(self) -> bool:
        """Whether there are too many to skip. If so, all facts wait for the other release."""
        return len(self._ids) >= MAX_ROWS

    def remember(self, rows: Mapping[int, str]) -> None:
        """Leaves `rows`, reasons by id, in place; logs those that are new."""
        self._ids |= rows.keys()
        _left.set(len(self._ids))
        unlogged = rows.keys() - self._logged
        if unlogged:
            self._logged |= unlogged
            _log.warning(
                "outbox_unknown_facts", count=len(unlogged), total=len(self._ids), reason=rows[min(unlogged)]
            )
        if self.full:
            _log.error("outbox_full_of_unknown_facts", total=len(self._ids))

    def forget_when_due(self, now: float) -> None:
        """Forgets all ids when a minute has passed since the last time; `now` is in seconds, of any clock."""
        if now - self._forgotten_at < FORGET_SECONDS:
            return
        self._forgotten_at = now
        self._logged &= self._ids  # an id that disappears is logged again if it returns
        self._ids.clear()
        _left.set(0)
