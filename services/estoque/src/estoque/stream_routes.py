"""REST: balances as they change, as server-sent events."""

from typing import NamedTuple

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.response.base import ASGIResponse
from litestar.types import Scope

from estoque.saldos import Saldo
from reservaestoque.http.caller import Caller
from reservaestoque.http.head import STREAM
from reservaestoque.http.problems import POSITION_LOST
from reservaestoque.streams import (
    POSITION_PATTERN,
    EventStream,
    Feed,
    LastEventId,
    ResumeAfter,
    Streams,
    documented,
    resuming,
    stream_of,
)
from reservaestoque.tickets import TicketParameter, Tickets, admitted, ticket_route


class StreamSources(NamedTuple):
    """The sources of the streams."""

    feed: Feed
    streams: Streams
    tickets: Tickets


class NoLongerOffered(msgspec.Struct, frozen=True):
    """A SKU that is no longer offered."""

    sku: str


@get(
    "/estoque/eventos",
    summary="Balances as they change",
    responses=documented(
        "Events `saldo`: the balance of a SKU as `GET /estoque/{sku}` shows it, once for many changes; `encerrado`, "
        "with the `sku`, when it is no longer offered. From now on, or all SKUs that changed after Last-Event-ID."
    ),
    opt={STREAM: True},
    problems=(POSITION_LOST,),
    operation_class=stream_of(POSITION_PATTERN, saldo=Saldo, encerrado=NoLongerOffered),
)
async def follow_balances(
    sources: NamedDependency[StreamSources],
    caller: NamedDependency[Caller],
    scope: Scope,
    last_event_id: LastEventId = "",
    resume_after: ResumeAfter = "",
    bilhete: TicketParameter = "",
) -> ASGIResponse:
    """A stream of changed balances. Raises ProblemError: 400, 410 for the id, 401, 403, 429, 503."""
    _, client = await admitted(sources.streams, sources.tickets, caller, scope, bilhete)
    with resuming():
        start = await sources.feed.begin(last_event_id, resume_after)
    return EventStream(sources.streams, client, sources.feed.follow(start))


STREAM_ROUTES = (follow_balances, ticket_route("/estoque/bilhetes"))
