"""REST: orders as they change, as server-sent events."""

import re
from typing import Annotated, NamedTuple

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.response.base import ASGIResponse
from litestar.types import Scope

from pedidos.changes import PedidoChange
from pedidos.follow import Follower
from pedidos.orders import Orders
from pedidos.pedido import Pedido
from pedidos.reads import Reads
from pedidos.routes import ClienteId, Id
from reservaestoque.events import FINAL_STATUSES
from reservaestoque.http.caller import Caller
from reservaestoque.http.head import STREAM
from reservaestoque.http.problems import NOT_FOUND, POSITION_LOST
from reservaestoque.streams import (
    POSITION_PATTERN,
    EventStream,
    Feed,
    InvalidPositionError,
    LastEventId,
    PositionLostError,
    ResumeAfter,
    Streams,
    documented,
    last_event_id,
    resume_after,
    resuming,
    stream_of,
)
from reservaestoque.tickets import TicketParameter, Tickets, admitted, ticket_route

_VERSION_PATTERN = "[0-9]{1,10}"
_VERSION = re.compile(_VERSION_PATTERN)
LastVersion = Annotated[str, last_event_id(_VERSION_PATTERN, "1")]
ResumeAfterVersion = Annotated[str, resume_after(_VERSION_PATTERN, "1")]


class StreamSources(NamedTuple):
    """The sources of the streams."""

    reads: Reads
    feed: Feed
    follower: Follower
    streams: Streams
    tickets: Tickets


@get(
    "/pedidos/eventos",
    summary="Orders as they change",
    responses=documented(
        "Events `status`: `pedidoId`, `clienteId`, `status`, `versao`, `atualizadoEm`, `expiraEm` of an order that "
        "was created or changed; from now on, or everything after Last-Event-ID."
    ),
    opt={STREAM: True},
    problems=(POSITION_LOST,),
    operation_class=stream_of(POSITION_PATTERN, status=PedidoChange),
)
async def follow_orders(
    sources: NamedDependency[StreamSources],
    caller: NamedDependency[Caller],
    scope: Scope,
    cliente_id: ClienteId = None,
    last_event_id: LastEventId = "",
    resume_after: ResumeAfter = "",
    bilhete: TicketParameter = "",
) -> ASGIResponse:
    """A stream of changes of all orders or of one customer's; with a token only the customer's own, unless it opens
    all.

    Raises ProblemError: 400, 410 for the id, 401, 403 for other customers, 429, 503.
    """
    caller, client = await admitted(sources.streams, sources.tickets, caller, scope, bilhete)
    cliente_id = Orders(sources.reads, caller).customer(cliente_id)
    with resuming():
        start = await sources.feed.begin(last_event_id, resume_after)
    return EventStream(sources.streams, client, sources.feed.follow(start, cliente_id))


@get(
    "/pedidos/{pedido_id:str}/eventos",
    summary="An order as it changes",
    responses=documented(
        "Events `status`: the order as `GET /pedidos/{id}` shows it, now and whenever its `versao` rises, which is "
        "the event's id. Ends with the order's final status; a later reconnect gets 204."
    )
    | {204: ResponseSpec(None, description="The order has ended, and Last-Event-ID is its end.")},
    opt={STREAM: True},
    problems=(NOT_FOUND, POSITION_LOST),
    operation_class=stream_of(_VERSION_PATTERN, status=Pedido),
)
async def follow_order(
    sources: NamedDependency[StreamSources],
    caller: NamedDependency[Caller],
    scope: Scope,
    pedido_id: Id,
    last_event_id: LastVersion = "",
    resume_after: ResumeAfterVersion = "",
    bilhete: TicketParameter = "",
) -> ASGIResponse:
    """A stream of one order. Raises ProblemError: 404 for an unknown order, 400, 410 for the id, 401, 429, 503."""
    caller, client = await admitted(sources.streams, sources.tickets, caller, scope, bilhete)
    with resuming():
        seen = _version(last_event_id, resume_after)
        pedido = await Orders(sources.reads, caller).find(pedido_id)
        if pedido.status in FINAL_STATUSES and seen >= pedido.versao:
            return ASGIResponse(status_code=204)
        if seen > pedido.versao:
            raise PositionLostError(f"there is no version {seen} of this order")
    return EventStream(sources.streams, client, sources.follower.follow(pedido.pedido_id, seen))


def _version(*last_event_ids: str) -> int:
    """The version that the client saw last, -1 for none. Raises InvalidPositionError."""
    given = [text for text in last_event_ids if text]
    if not all(map(_VERSION.fullmatch, given)):
        raise InvalidPositionError("an event id of this stream is the order's `versao`, a number")
    return int(given[0]) if given else -1


STREAM_ROUTES = (follow_orders, follow_order, ticket_route("/pedidos/bilhetes"))
