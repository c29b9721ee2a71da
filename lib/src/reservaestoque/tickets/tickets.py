"""Tickets in the service's own database: issued to a caller, valid for one stream, within seconds, on any replica."""

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Annotated, Any

import asyncpg
import msgspec
from msgspec import Meta

from reservaestoque.http.caller import ANYONE, Caller
from reservaestoque.http.identity import Identity
from reservaestoque.http.problems import MALFORMED, UNAUTHENTICATED, ProblemError
from reservaestoque.postgres import Queries, Reader
from reservaestoque.retention import Walk

TICKET_LIFE = timedelta(seconds=30)

_BYTES = 32
_TEXT = re.compile(r"[A-Za-z0-9_-]{43}")
"""`_BYTES` random bytes in base64url."""
_sql = Queries("reservaestoque.tickets")


class Ticket(msgspec.Struct, frozen=True, rename="camel"):
    """Opens one stream with the rights of the token with which it was requested."""

    bilhete: Annotated[str, Meta(description="The value of the parameter `bilhete`. It works once.")]
    expira_em: Annotated[datetime, Meta(description="The time until which it can open a stream.")]


class Tickets:
    """The database stores only a hash of each ticket, so reading the database does not allow opening a stream.

    Methods raise what asyncpg raises, CrowdedError and TimeoutError.
    """

    def __init__(self, reader: Reader, identity: Identity) -> None:
        self._reader = reader
        self._identity = identity

    async def issue(self, caller: Caller) -> Ticket:
        """A ticket with the rights of `caller`."""
        text = secrets.token_urlsafe(_BYTES)
        [row] = await self._reader.fetch(
            _sql["issue_ticket"], _hash(text), caller.subject, sorted(caller.scopes), TICKET_LIFE
        )
        return Ticket(text, row["expira_em"])

    async def caller(self, caller: Caller, ticket: str) -> Caller:
        """The caller who opens a stream: `caller`, the sender of the request, or the holder of `ticket`.

        Redeems the ticket. Raises ProblemError: 401 for an invalid or expired ticket; 400 for a ticket with a token,
        because a client must authenticate in only one way (RFC 6750, section 2); 401 and 403 as `Identity.admit`.
        """
        if not ticket:
            return self._identity.admit(caller)
        if caller.subject is not None:
            raise ProblemError(MALFORMED, "a request has either a token or a ticket (bilhete), not both")
        rows = await self._reader.fetch(_sql["redeem_ticket"], _hash(ticket)) if _TEXT.fullmatch(ticket) else ()
        if not rows or not rows[0]["valid"]:
            raise ProblemError(
                UNAUTHENTICATED,
                f"the ticket (bilhete) is unknown, used, or older than {TICKET_LIFE.seconds} s; get a new one",
            )
        if not self._identity.required:
            return ANYONE
        return self._identity.admit(Caller(rows[0]["cliente_id"], frozenset(rows[0]["escopos"])))


def old_tickets(pool: "asyncpg.Pool[Any]") -> Walk:
    """The job that purges expired tickets."""
    return Walk(pool, _sql["purge_tickets"], age=timedelta())


def _hash(ticket: str) -> bytes:
    """A plain hash suffices: 32 random bytes cannot be guessed."""
    return hashlib.sha256(ticket.encode()).digest()
