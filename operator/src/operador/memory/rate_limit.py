"""Limits the rate at which the status of one StockItem is written. Pure: the clock is an argument."""

import msgspec

BURST = 3.0
INTERVAL = 3.0


class RateLimit(msgspec.Struct, frozen=True):
    """A token bucket: `BURST` writes at once, then one every `INTERVAL` seconds.

    A single change is visible immediately; a busy SKU costs the API server one write every few seconds.
    """

    tokens: float = BURST
    at: float = 0.0

    def delay(self, now: float) -> float:
        """Seconds until the next write is allowed; 0 when it is allowed now."""
        return max(0.0, (1.0 - self._refilled(now)) * INTERVAL)

    def spend(self, now: float) -> "RateLimit":
        """The bucket after a write at `now` (monotonic seconds)."""
        return RateLimit(self._refilled(now) - 1.0, now)

    def _refilled(self, now: float) -> float:
        return min(BURST, self.tokens + (now - self.at) / INTERVAL)
