"""Decides whether and when a call is retried. Pure: time and randomness are arguments."""

from dataclasses import dataclass

from reserva.wire import Answer, Fault

NEVER_EXECUTED = frozenset({408, 429})
"""The gateway answers these before the request reaches a service."""
PASSING = frozenset({502, 503, 504})


@dataclass(frozen=True)
class Retry:
    """The retry policy of a client.

    deadline: seconds for a whole call, including all attempts and pauses. `wait` is added to it.
    attempts: the maximum number.
    first, longest: the bounds of the back-off in seconds, which doubles with each attempt. The actual pause is random
    below it, so that clients that failed together do not retry together. The server's Retry-After is added to it.
    """

    deadline: float = 60.0
    attempts: int = 10
    first: float = 0.1
    longest: float = 5.0

    def pause(self, attempt: int, retry_after: float | None, left: float, draw: float) -> float | None:
        """Seconds from attempt number `attempt` (from 1) to the next; None if there is no next attempt.

        retry_after: the server's Retry-After. left: seconds before the deadline. draw: a random number from 0 to 1.
        """
        if attempt >= self.attempts:
            return None
        pause = (retry_after or 0.0) + draw * self.bound(attempt)
        return pause if pause < left else None

    def bound(self, attempt: int) -> float:
        """The longest pause after this attempt, without Retry-After."""
        return min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))


def may_repeat(outcome: Answer | Fault, *, safe: bool) -> bool:
    """Whether a call with this outcome may and should be retried.

    safe: it may be retried even if it was executed, because it only reads or has an Idempotency-Key.
    """
    if isinstance(outcome, Fault):
        return safe or not outcome.sent
    return outcome.status in NEVER_EXECUTED or (safe and outcome.status in PASSING)
