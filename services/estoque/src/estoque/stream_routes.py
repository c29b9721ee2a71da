"""REST: balances as they change, as server-sent events."""

from typing import NamedTuple

from litestar import get
from litestar.di import NamedDependency
from litestar.response.base import ASGIResponse

from reservaestoque.http.head import STREAM
from reservaestoque.http.problems import MALFORMED, POSITION_LOST
from reservaestoque.streams import EventStream, Feed, LastEventId, Streams, documented, resuming


class StreamSources(NamedTuple):
    """What the streams are built from."""

    feed: Feed
    streams: Streams


@get(
    "/estoque/eventos",
    summary="Balances as they change",
    responses=documented(
        "Events `saldo`: the balance of a SKU as `GET /estoque/{sku}` shows it, once for many changes; `encerrado`, "
        "with the `sku`, when it is no longer offered. From now on, or all SKUs that changed after Last-Event-ID."
    ),
    opt={STREAM: True},
    problems=(MALFORMED, POSITION_LOST),
)
async def follow_balances(sources: NamedDependency[StreamSources], last_event_id: LastEventId = "") -> ASGIResponse:
    """A stream of changed balances. Raises ProblemError: 400, 410 for the id, 503."""
    sources.streams.admit()
    with resuming():
        start = await sources.feed.begin(last_event_id)
    return EventStream(sources.streams, sources.feed.follow(start))


STREAM_ROUTES = (follow_balances,)
