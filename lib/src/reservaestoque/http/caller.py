"""The caller of a request, verified by the gateway, and rules that both services share. Pure: no I/O, no clock."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

SUBJECT = b"x-reserva-subject"
SCOPES = b"x-reserva-scopes"
"""Set by the gateway from a verified token. The gateway removes both from every incoming request."""

READ_STOCK = "estoque:ler"
ALL_ORDERS = "pedidos:admin"

_SUBJECT = re.compile(rb"[\x20-\x7e]{1,128}")


class Verdict(StrEnum):
    """The decision about a request."""

    ALLOW = "allow"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"


@dataclass(frozen=True, slots=True)
class Caller:
    """A customer by `subject`, which is their clienteId, with the scopes of their token.

    Without a subject, the caller is ANONYMOUS, or ANYONE if the service does not require identities.
    """

    subject: str | None
    scopes: frozenset[str] = frozenset()
    trusted: bool = False


ANONYMOUS = Caller(None)
ANYONE = Caller(None, trusted=True)


class InvalidSubjectError(ValueError):
    """The token's subject is not a valid clienteId."""

    def __init__(self) -> None:
        super().__init__(
            "the token's subject is not a valid clienteId: it must have 1 to 128 printable ASCII characters"
        )


def read_caller(headers: Mapping[bytes, bytes]) -> Caller:
    """The caller named by the gateway in these headers. Raises InvalidSubjectError."""
    subject = headers.get(SUBJECT)
    if subject is None:
        return ANONYMOUS
    if not _SUBJECT.fullmatch(subject):
        raise InvalidSubjectError
    scopes = headers.get(SCOPES, b"").decode("ascii", "replace").split(" ")
    return Caller(subject.decode(), frozenset(scopes) - {""})


def identified(caller: Caller) -> Verdict:
    """Allows all callers with a known identity, and everyone if identities are not required."""
    return Verdict.ALLOW if caller.trusted or caller.subject is not None else Verdict.UNAUTHENTICATED


def has_scope(caller: Caller, scope: str) -> Verdict:
    """Allows callers whose token has `scope`."""
    verdict = identified(caller)
    if verdict is Verdict.ALLOW and not (caller.trusted or scope in caller.scopes):
        return Verdict.FORBIDDEN
    return verdict
