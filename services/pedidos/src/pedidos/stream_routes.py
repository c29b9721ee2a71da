"""REST: orders as they change, as server-sent events."""

import re
from typing import NamedTuple

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.response.base import ASGIResponse

from pedidos.follow import Follower
from pedidos.reads import Reads
from pedidos.routes import ClienteId, Id, find
from reservaestoque.events import FINAL_STATUSES
from reservaestoque.http.head import STREAM
from reservaestoque.http.problems import MALFORMED, NOT_FOUND, POSITION_LOST
from reservaestoque.streams import (
    EventStream,
    Feed,
    InvalidPositionError,
    LastEventId,
    PositionLostError,
    Streams,
    documented,
    resuming,
)

_VERSION = re.compile("[0-9]{1,10}")


class StreamSources(NamedTuple):
    """What the streams are built from."""

    feed: Feed
    follower: Follower
    streams: Streams


@get(
    "/pedidos/eventos",
    summary="Orders as they change",
    responses=documented(
        "Events `status`: `pedidoId`, `clienteId`, `status`, `versao`, `atualizadoEm`, `expiraEm` of an order that "
        "was created or changed; from now on, or everything after Last-Event-ID."
    ),
    opt={STREAM: True},
    problems=(MALFORMED, POSITION_LOST),
)
async def follow_orders(
    sources: NamedDependency[StreamSources], cliente_id: ClienteId = None, last_event_id: LastEventId = ""
) -> ASGIResponse:
    """A stream of all changes, or of one customer's. Raises ProblemError: 400, 410 for the id, 503."""
    sources.streams.admit()
    with resuming():
        start = await sources.feed.begin(last_event_id)
    return EventStream(sources.streams, sources.feed.follow(start, cliente_id))


@get(
    "/pedidos/{pedido_id:str}/eventos",
    summary="An order as it changes",
    responses=documented(
        "Events `status`: the order as `GET /pedidos/{id}` shows it, now and whenever its `versao` rises, which is "
        "the event's id. Ends with the order's final status; a later reconnect gets 204."
    )
    | {204: ResponseSpec(None, description="The order has ended, and Last-Event-ID is its end.")},
    opt={STREAM: True},
    problems=(MALFORMED, NOT_FOUND, POSITION_LOST),
)
async def follow_order(
    reads: NamedDependency[Reads],
    sources: NamedDependency[StreamSources],
    pedido_id: Id,
    last_event_id: LastEventId = "",
) -> ASGIResponse:
    """A stream of one order. Raises ProblemError: 404 unknown, 400, 410 for the id, 503."""
    sources.streams.admit()
    with resuming():
        seen = _version(last_event_id)
        pedido = await find(reads, pedido_id)
        if pedido.status in FINAL_STATUSES and seen >= pedido.versao:
            return ASGIResponse(status_code=204)
        if seen > pedido.versao:
            raise PositionLostError(f"there is no version {seen} of this order")
    return EventStream(sources.streams, sources.follower.follow(pedido.pedido_id, seen))


def _version(last_event_id: str) -> int:
    """The version that the client saw last, -1 for none. Raises InvalidPositionError."""
    if not last_event_id:
        return -1
    if not _VERSION.fullmatch(last_event_id):
        raise InvalidPositionError("an event id of this stream is the order's `versao`, a number")
    return int(last_event_id)


STREAM_ROUTES = (follow_orders, follow_order)
