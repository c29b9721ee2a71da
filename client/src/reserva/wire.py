"""Requests, answers and the effects that a client performs, as values. Pure.

The core (`exchange`, `follow`) yields these effects; the sync and async clients perform them and send back the
outcome.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import urlencode

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True)
class Request:
    """An HTTP request; `path` begins with a slash and includes the query."""

    method: str
    path: str
    headers: Mapping[str, str]
    content: bytes = b""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True)
class Fault:
    """No answer. `sent`: the request may have reached the server."""

    text: str
    sent: bool
    url: str = ""


@dataclass(frozen=True)
class Operation(Generic[T]):
    """A call of the API.

    read: the value of a successful answer; raises UnreadableAnswerError.
    safe: it may be retried even if it was executed.
    wait: seconds to wait for the outcome (Prefer: wait, RFC 7240).
    """

    method: str
    path: str
    read: Callable[[Answer], T]
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    safe: bool = True
    wait: int = 0

    def request(self, headers: Mapping[str, str], wait: int) -> Request:
        """The request, with these headers added, waiting for `wait` seconds."""
        query = f"?{urlencode(self.params)}" if self.params else ""
        prefer = {"Prefer": f"wait={wait}"} if wait else {}
        return Request(self.method, self.path + query, {**self.headers, **prefer, **headers}, self.content)


@dataclass(frozen=True)
class GetToken:
    """Get the token to send; the reply is its text, or None to send none."""


@dataclass(frozen=True)
class Send:
    """Send a request and read the whole answer within `seconds`; the reply is an Answer or a Fault."""

    request: Request
    seconds: float


@dataclass(frozen=True)
class Sleep:
    """Wait for `seconds`; `why` is for the log."""

    seconds: float
    why: str


@dataclass(frozen=True)
class Open:
    """Send a request; the reply is an Answer, without content if its status is 200, or a Fault."""

    request: Request
    seconds: float


@dataclass(frozen=True)
class Read:
    """Read more of the opened response; the reply is bytes, empty at the end, or a Fault."""


@dataclass(frozen=True)
class Close:
    """Close the opened response."""


@dataclass(frozen=True)
class Emit(Generic[T_co]):
    """Pass an event to the caller."""

    value: T_co
