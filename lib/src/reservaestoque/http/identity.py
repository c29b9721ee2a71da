"""IDENTITY: whether a service asks who sends a request, and what it answers to those who may not send it."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, Literal

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import ControllerRouterHandler

from reservaestoque.http.caller import (
    ANYONE,
    Caller,
    InvalidSubjectError,
    Verdict,
    identified,
    read_caller,
)
from reservaestoque.http.head import STREAM
from reservaestoque.http.problems import FORBIDDEN, UNAUTHENTICATED, ProblemError

Mode = Literal["none", "gateway"]
Rule = Callable[[Caller], Verdict]

TICKET = "bilhete"
"""The query parameter that stands for a token on the event streams (`reservaestoque.tickets`)."""

_NO_TOKEN = "this call needs a token: Authorization: Bearer …"  # noqa: S105 - a sentence


class Identity:
    """Reads the callers of requests. `rule` is what a service asks of all callers, `refusal` a sentence about it.

    With the mode `none` everyone is `ANYONE`, and the gateway's headers are ignored.
    """

    def __init__(self, mode: Mode = "none", *, rule: Rule = identified, refusal: str = "") -> None:
        self.asked = mode == "gateway"
        self._rule = rule
        self._refusal = refusal

    def caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        """Who sends a request with these headers. Raises ProblemError (403) for a subject that is no clienteId."""
        if not self.asked:
            return ANYONE
        try:
            return read_caller(headers)
        except InvalidSubjectError as error:
            raise ProblemError(FORBIDDEN, str(error)) from error

    def admitted(self, headers: Mapping[bytes, bytes]) -> Caller:
        """The caller, to whom the service's rule has been applied. Raises ProblemError (401, 403)."""
        if not self.asked:
            return ANYONE
        return self.admit(self.caller(headers))

    def admit(self, caller: Caller) -> Caller:
        """The same caller. Raises ProblemError (401, 403) when the service's rule refuses them."""
        enforce(self._rule(caller), self._refusal)
        return caller

    def guarding(self, handler: ControllerRouterHandler) -> ControllerRouterHandler:
        """The handler, guarded if identities are asked for."""
        if self.asked and isinstance(handler, BaseRouteHandler):
            handler = copy(handler)
            handler.guards = (*(handler.guards or ()), self.guard)
        return handler

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Applies the service's rule before anything else is done for a request. Raises ProblemError (401, 403).

        A stream that is opened with a ticket is the handler's affair: only the database knows who holds the ticket.
        """
        caller = self.caller(dict(connection.scope["headers"]))
        if not (handler.opt.get(STREAM) and TICKET in connection.query_params):
            self.admit(caller)

    def provide(self, request: Request[Any, Any, Any]) -> Caller:
        """The dependency `caller` of handlers."""
        return self.caller(dict(request.scope["headers"])) if self.asked else ANYONE


def enforce(verdict: Verdict, refusal: str) -> None:
    """Raises ProblemError: 401, or 403 with the sentence `refusal`. A handler says itself what it has not found."""
    if verdict is Verdict.UNAUTHENTICATED:
        raise ProblemError(UNAUTHENTICATED, _NO_TOKEN)
    if verdict is Verdict.FORBIDDEN:
        raise ProblemError(FORBIDDEN, refusal)
