"""IDENTITY: whether a service requires verified callers, and its answers to callers it refuses."""

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
"""The query parameter that replaces a token on event streams (`reservaestoque.tickets`)."""

_NO_TOKEN = "this call needs a token: Authorization: Bearer …"  # noqa: S105 - a sentence


class Identity:
    """Reads the callers of requests. `rule` applies to all callers of a service; `refusal` explains a refusal.

    In mode `none` every caller is `ANYONE`, and the gateway's headers are ignored.
    """

    def __init__(self, mode: Mode = "none", *, rule: Rule = identified, refusal: str = "") -> None:
        self.required = mode == "gateway"
        self._rule = rule
        self._refusal = refusal

    def caller(self, headers: Mapping[bytes, bytes]) -> Caller:
        """The caller of a request with these headers. Raises ProblemError (403) if the subject is not a valid
        clienteId.
        """
        if not self.required:
            return ANYONE
        try:
            return read_caller(headers)
        except InvalidSubjectError as error:
            raise ProblemError(FORBIDDEN, str(error)) from error

    def admitted(self, headers: Mapping[bytes, bytes]) -> Caller:
        """The caller, after applying the service's rule. Raises ProblemError (401, 403)."""
        if not self.required:
            return ANYONE
        return self.admit(self.caller(headers))

    def admit(self, caller: Caller) -> Caller:
        """The same caller. Raises ProblemError (401, 403) if the service's rule refuses the caller."""
        enforce(self._rule(caller), self._refusal)
        return caller

    def guarding(self, handler: ControllerRouterHandler) -> ControllerRouterHandler:
        """The handler, guarded if identities are required."""
        if self.required and isinstance(handler, BaseRouteHandler):
            handler = copy(handler)
            handler.guards = (*(handler.guards or ()), self.guard)
        return handler

    async def guard(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Applies the service's rule before any other work for a request. Raises ProblemError (401, 403).

        The handler checks streams opened with a ticket, because only the database knows the ticket's holder.
        """
        caller = self.caller(dict(connection.scope["headers"]))
        if not (handler.opt.get(STREAM) and TICKET in connection.query_params):
            self.admit(caller)

    def provide(self, request: Request[Any, Any, Any]) -> Caller:
        """The dependency `caller` of handlers."""
        return self.caller(dict(request.scope["headers"])) if self.required else ANYONE


def enforce(verdict: Verdict, refusal: str) -> None:
    """Raises ProblemError: 401, or 403 with the sentence `refusal`. Handlers raise 404 themselves."""
    if verdict is Verdict.UNAUTHENTICATED:
        raise ProblemError(UNAUTHENTICATED, _NO_TOKEN)
    if verdict is Verdict.FORBIDDEN:
        raise ProblemError(FORBIDDEN, refusal)
