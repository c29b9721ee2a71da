"""The route that issues tickets, the same in both services, and the check of a stream's token or ticket."""

from typing import Annotated

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter, RawBody
from litestar.types import Scope

from reservaestoque.http.body import JsonBody
from reservaestoque.http.caller import Caller
from reservaestoque.http.identity import TICKET
from reservaestoque.streams import Streams, client_of
from reservaestoque.tickets.tickets import TICKET_LIFE, Ticket, Tickets

TicketParameter = Annotated[
    str, QueryParameter(name=TICKET, description="A ticket instead of a token, for clients that cannot send headers.")
]
"""A parameter of stream routes. OpenAPI describes it as a security scheme."""


class TicketRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a request for a ticket: empty."""


_request = JsonBody(TicketRequest, absent=TicketRequest())


def ticket_route(path: str) -> HTTPRouteHandler:
    """The route of a service with the dependency `tickets`."""

    @post(
        path,
        status_code=201,
        summary="A ticket for an event stream",
        description=(
            "For clients that cannot send an `Authorization` header, such as a browser's `EventSource`: "
            f"`?{TICKET}=` opens one stream within {TICKET_LIFE.seconds} seconds, with the rights of the token."
        ),
        operation_class=_request.operation,
        response_description="The ticket.",
    )
    async def create_ticket(
        tickets: NamedDependency[Tickets], caller: NamedDependency[Caller], body: RawBody
    ) -> Ticket:
        _request.read(body)
        return await tickets.issue(caller)

    return create_ticket


async def admitted(
    streams: Streams, tickets: Tickets, caller: Caller, scope: Scope, ticket: str
) -> tuple[Caller, str]:
    """The caller who opens a stream, and the client against whose limit it counts. Redeems the ticket, if any.

    Raises what `Streams.admit` and `Tickets.caller` raise.
    """
    streams.admit(client_of(caller, scope))  # first, so that no ticket is wasted while no stream can be opened
    caller = await tickets.caller(caller, ticket)
    client = client_of(caller, scope)
    streams.admit(client)
    return caller, client
