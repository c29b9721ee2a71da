"""Errors: one class for each kind that callers handle differently. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from reserva.retry_after import seconds_of
from reserva.wire import Answer, Fault

BASE = "https://reservaestoque.dev/problemas/"
_EXCERPT = 200


class ReservaError(Exception):
    """Base class of the errors of a call."""


class UnreachableError(ReservaError):
    """No answer arrived. With `executed_maybe` the request may have been executed; otherwise it certainly was not."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.url} cannot be reached: {fault.text}" if fault.url else fault.text)
        self.url, self.why, self.executed_maybe = fault.url, fault.text, fault.sent


class UnreadableAnswerError(ReservaError):
    """The answer does not conform to the API: it is from another server or an incompatible release."""

    def __init__(self, answer: Answer, why: str) -> None:
        because = ": ".join(filter(None, (why, _excerpt(answer))))
        super().__init__(f"the answer {answer.status} cannot be understood: {because}")
        self.status = answer.status


class ProblemError(ReservaError):
    """The system refused the request (RFC 9457). `slug` is the last part of the type, or empty."""

    def __init__(self, answer: Answer, problem: Mapping[str, Any]) -> None:
        self.status = answer.status
        self.slug = _text(problem, "type").removeprefix(BASE) if _text(problem, "type").startswith(BASE) else ""
        self.title = _text(problem, "title")
        self.detail = _text(problem, "detail") or self.title or _excerpt(answer) or _bare(answer)
        self.members = dict(problem)
        self.retry_after = seconds_of(answer.headers.get("retry-after"), answer.headers.get("date"))
        super().__init__(f"{answer.status}: {self.detail}")


class InvalidRequestError(ProblemError):
    """The request violates a rule, which `detail` names: 400, 405, 413, 415, 422."""


class KeyReusedError(InvalidRequestError):
    """The Idempotency-Key was used before, with another body."""


class UnauthenticatedError(ProblemError):
    """The token is missing or invalid: 401."""


class ForbiddenError(ProblemError):
    """The token does not permit the call: 403."""


class NotFoundError(ProblemError):
    """No such order, SKU or path: 404."""


class NotAllowedNowError(ProblemError):
    """The order's status does not allow the call: 409."""

    @property
    def status_do_pedido(self) -> str:
        """The order's status; empty if the answer does not include it."""
        return _text(self.members, "statusDoPedido")

    @property
    def recusa(self) -> str:
        """The reason for which the command was refused; empty if the answer names none."""
        return _text(self.members, "recusa")


class PositionLostError(ProblemError):
    """A stream cannot resume from this position: follow without one, then read the list again. 410."""


class RateLimitedError(ProblemError):
    """Too many requests: 429, until the last attempt."""


class UnavailableError(ProblemError):
    """The service cannot be reached, or does not answer in time: 408, 502, 503, 504, until the last attempt."""


class ServerError(ProblemError):
    """A server error: 500, and any other status."""


_BY_STATUS: Mapping[int, type[ProblemError]] = {
    **dict.fromkeys((400, 405, 413, 414, 415, 422, 431), InvalidRequestError),
    401: UnauthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: NotAllowedNowError,
    410: PositionLostError,
    429: RateLimitedError,
    **dict.fromkeys((408, 502, 503, 504), UnavailableError),
}


def error_of(answer: Answer) -> ProblemError:
    """The error for an answer, whether or not it is problem+json."""
    problem = _problem(answer.content)
    error = _BY_STATUS.get(answer.status, ServerError)(answer, problem)
    return KeyReusedError(answer, problem) if error.slug == "chave-reutilizada" else error


def _bare(answer: Answer) -> str:
    """An answer without content, as a clause."""
    location = answer.headers.get("location")
    return f"redirected to {location[:_EXCERPT]}" if location else f"HTTP {answer.status} without a reason"


def _problem(content: bytes) -> Mapping[str, Any]:
    try:
        problem = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return problem if isinstance(problem, dict) else {}


def _text(problem: Mapping[str, Any], member: str) -> str:
    value = problem.get(member)
    return value if isinstance(value, str) else ""


def _excerpt(answer: Answer) -> str:
    text = answer.content[: 4 * _EXCERPT].decode(errors="replace")
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:_EXCERPT]
