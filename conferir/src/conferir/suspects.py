"""Suspected violations, which become violations by persisting. Pure: the clock is an argument."""

from collections.abc import Collection, Iterable

from conferir.violation import Violation


class Suspects:
    """Remembers since when each suspect has been seen (seconds of a monotonic clock); at most `limit` of them."""

    def __init__(self, grace: float, limit: int = 10_000) -> None:
        self._grace = grace
        self._limit = limit
        self._since: dict[Violation, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def add(self, violations: Iterable[Violation], now: float) -> int:
        """Adds suspects; returns how many did not fit."""
        rejected = 0
        for violation in violations:
            if violation in self._since or len(self._since) < self._limit:
                self._since.setdefault(violation, now)
            else:
                rejected += 1
        return rejected

    def oldest_first(self) -> list[Violation]:
        """All suspects, oldest first."""
        return list(self._since)

    def recheck(self, before: Collection[Violation], current: Iterable[Violation], now: float) -> list[Violation]:
        """Compares the suspects `before` a recheck with its findings, `current`.

        Returns, and forgets, the suspects that have persisted unchanged for the grace period. A finding that differs
        from the earlier one is a new suspect.
        """
        present = set(current)
        for violation in before:
            if violation not in present:
                self._since.pop(violation, None)
        self.add(present, now)
        confirmed = [v for v in present if now - self._since.get(v, now) >= self._grace]
        for violation in confirmed:
            self._since.pop(violation, None)
        return sorted(confirmed)

    def restart(self, now: float) -> None:
        """Restarts every grace period: during an outage nothing was observed."""
        self._since = dict.fromkeys(self._since, now)
