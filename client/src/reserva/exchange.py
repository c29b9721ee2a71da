"""One call with its attempts, pauses and tokens. Pure: it yields the effects to perform."""

import math
from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

from reserva.errors import ReservaError, UnreachableError, error_of
from reserva.retry import Retry, may_repeat
from reserva.retry_after import seconds_of
from reserva.wire import Answer, Fault, GetToken, Open, Operation, Send, Sleep

T = TypeVar("T")

OK, MULTIPLE_CHOICES, UNAUTHORIZED = 200, 300, 401
USER_AGENT = "reservaestoque-reserva/0.1.0"
_SHORTEST = 0.001


def exchange(
    operation: Operation[T], retry: Retry, seconds: float, clock: Callable[[], float], draw: Callable[[], float]
) -> Generator[GetToken | Send | Open | Sleep, Any, T]:
    """Returns the value of the operation. Raises ReservaError.

    seconds: how long one attempt may take, in addition to its wait for the outcome. A retry waits for the rest of the
    operation's `wait`, at least one second.
    """
    began, attempt = clock(), 0

    def left() -> float:
        return retry.deadline + operation.wait - (clock() - began)

    def send(token: str | None) -> Send:
        wait = max(1, operation.wait - math.floor(clock() - began)) if operation.wait else 0
        return Send(operation.request(headers_for(token), wait), max(_SHORTEST, min(seconds + wait, left())))

    while True:
        outcome = yield from signed(send)
        if isinstance(outcome, Answer) and OK <= outcome.status < MULTIPLE_CHOICES:
            return operation.read(outcome)
        attempt += 1
        repeat = may_repeat(outcome, safe=operation.safe)
        pause = retry.pause(attempt, retry_after_of(outcome), left(), draw()) if repeat else None
        if pause is None:
            raise error_from(outcome)
        yield Sleep(pause, f"{operation.method} {operation.path} failed ({error_from(outcome)})")


def signed(
    request: Callable[[str | None], Send | Open],
) -> Generator[GetToken | Send | Open, Any, Answer | Fault]:
    """Sends a request with the token; once more if that token is refused and a new one is available."""
    token: str | None = yield GetToken()
    outcome: Answer | Fault = yield request(token)
    if isinstance(outcome, Answer) and outcome.status == UNAUTHORIZED:
        fresh: str | None = yield GetToken()
        if fresh != token:
            outcome = yield request(fresh)
    return outcome


def headers_for(token: str | None) -> Mapping[str, str]:
    """The headers of every request."""
    return {"User-Agent": USER_AGENT} | ({"Authorization": f"Bearer {token}"} if token else {})


def retry_after_of(outcome: Answer | Fault) -> float | None:
    """The server's Retry-After, in seconds."""
    if isinstance(outcome, Fault):
        return None
    return seconds_of(outcome.headers.get("retry-after"), outcome.headers.get("date"))


def error_from(outcome: Answer | Fault) -> ReservaError:
    """The error for a failed attempt."""
    return UnreachableError(outcome) if isinstance(outcome, Fault) else error_of(outcome)
