"""When a call is repeated, and after how long. Pure: time and chance are arguments."""

from dataclasses import dataclass

from reserva.wire import Answer, Fault

NEVER_EXECUTED = frozenset({408, 429})
"""The gateway answers these before the request reaches a service."""
PASSING = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Retry:
    """How patient a client is.

    deadline: seconds for a whole call, with all its attempts and pauses. `wait` is added to it.
    attempts: how many at most.
    first, longest: bounds of a pause, in seconds, which doubles from one attempt to the next; the actual pause is
    random below it, so that clients that failed together do not come back together. The server's Retry-After is added
    to it.
    """

    deadline: float = 60.0
    attempts: int = 10
    first: float = 0.1
    longest: float = 5.0

    def pause(self, attempt: int, asked: float | None, left: float, draw: float) -> float | None:
        """Seconds after the attempt number `attempt` (from 1) until the next one; None when there is none.

        asked: the server's Retry-After. left: seconds before the deadline. draw: a random number from 0 to 1.
        """
        if attempt >= self.attempts:
            return None
        pause = (asked or 0.0) + draw * self.bound(attempt)
        return pause if pause < left else None

    def bound(self, attempt: int) -> float:
        """The longest pause after this attempt, without Retry-After."""
        return min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))


def may_repeat(outcome: Answer | Fault, *, safe: bool) -> bool:
    """Whether a call with this outcome may and should be sent again.

    safe: it may even if it may have been executed, because it only reads or has an Idempotency-Key.
    """
    if isinstance(outcome, Fault):
        return safe or not outcome.sent
    return outcome.status in NEVER_EXECUTED or (safe and outcome.status in PASSING)
