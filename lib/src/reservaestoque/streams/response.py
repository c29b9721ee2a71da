"""The HTTP answer that is a stream: open for as long as its client reads, and no longer."""

import asyncio
import contextlib
from collections import Counter as Tally
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, cast

import msgspec
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIResponse, Schema
from litestar.params import HeaderParameter, QueryParameter
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from prometheus_client import Counter, Gauge

from reservaestoque.http.body import inlined
from reservaestoque.http.caller import Caller
from reservaestoque.http.openapi import Described
from reservaestoque.http.problems import LIMIT, MALFORMED, POSITION_LOST, UNAVAILABLE, ProblemError
from reservaestoque.streams.position import POSITION_PATTERN, InvalidPositionError, PositionLostError
from reservaestoque.telemetry import logger

MEDIA_TYPE = "text/event-stream"
SEND_SECONDS = 30.0
PIECE_BYTES = 16 * 1024

_ABOUT_ID = "The last event's id: the stream resumes after it. Empty means none; any other text is refused (400)."
_ABOUT_QUERY = "As `Last-Event-ID`, for a new `EventSource`, which cannot send it; the header takes precedence."


def last_event_id(pattern: str, example: str) -> HeaderParameter:
    """The header Last-Event-ID; `pattern` describes the ids of the stream, which the handler checks."""
    return HeaderParameter(
        name="Last-Event-ID",
        description=_ABOUT_ID,
        schema_extra={"pattern": f"^({pattern})?$"},
        examples=[Example(value=example)],
    )


def resume_after(pattern: str, example: str) -> QueryParameter:
    """The query parameter lastEventId, which the handler checks as well."""
    return QueryParameter(
        name="lastEventId",
        description=_ABOUT_QUERY,
        schema_extra={"pattern": f"^({pattern})?$"},
        examples=[Example(value=example)],
    )


_POSITION = "741.12.3"
LastEventId = Annotated[str, last_event_id(POSITION_PATTERN, _POSITION)]
ResumeAfter = Annotated[str, resume_after(POSITION_PATTERN, _POSITION)]

_ADDRESS = b"x-reserva-client"
"""Set by the gateway on every request for a stream; it overwrites the client's value."""
_IPV4 = 4

RESERVED_SHARE = 10
"""One in RESERVED_SHARE streams of a process is reserved for clients that have fewer than FEW_STREAMS open."""
FEW_STREAMS = 2
"""Number of streams that a page opens to follow a list of orders and a single order; the panel opens no more."""

_log = logger(__name__)
_open = Gauge("streams_open", "Event streams currently open")
_refused = Counter("streams_refused_total", "Event streams refused because too many were open")
_stuck = Counter("streams_stuck_total", "Event streams ended because their client had stopped reading")


class Streams:
    """Counts this process's open streams: at most `limit`, and at most `per_client` of one client.

    The last of them are reserved for clients with fewer than FEW_STREAMS, so that clients with many leave room for
    others.
    """

    def __init__(self, limit: int, per_client: int) -> None:
        self._limit = limit
        self._unreserved = limit - limit // RESERVED_SHARE
        self._per_client = per_client
        self._open = 0
        self._by_client = Tally[str]()

    def admit(self, client: str) -> None:
        """Raises ProblemError if no more streams may be opened: 503 by any client, 429 by this client."""
        if self._open >= self._limit:
            _refused.inc()
            raise ProblemError(UNAVAILABLE, f"{self._limit} event streams are open already; try again shortly")
        if self._open >= self._unreserved and self._by_client[client] >= FEW_STREAMS:
            _refused.inc()
            raise ProblemError(
                UNAVAILABLE,
                f"{self._open} event streams are open already; "
                f"the others are for clients with fewer than {FEW_STREAMS}",
            )
        if self._by_client[client] >= self._per_client:
            _refused.inc()
            raise ProblemError(
                LIMIT,
                f"{self._per_client} of your event streams are open already; close one, or try again later",
            )

    @contextlib.contextmanager
    def counted(self, client: str) -> Iterator[None]:
        """Counts a stream as open until the block ends. Raises ProblemError as `admit` does."""
        self.admit(client)
        self._open += 1
        self._by_client[client] += 1
        _open.inc()
        try:
            yield
        finally:
            self._open -= 1
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]
            _open.dec()


def client_of(caller: Caller, scope: Scope) -> str:
    """The owner of a stream: the caller or, if unknown, the client's address as reported by the gateway.

    An IPv6 /64 network is one client, because its hosts choose their addresses in it.
    """
    if caller.subject is not None:
        return caller.subject
    text = dict(scope["headers"]).get(_ADDRESS, b"").decode("latin-1") or (scope["client"] or ("",))[0]
    try:
        address = ip_address(text)
    except ValueError:
        return text
    return text if address.version == _IPV4 else str(ip_network((address, 64), strict=False))


class EventStream(ASGIResponse):
    """Sends `pieces` as they arrive, until they end or the client disconnects; then closes `pieces`."""

    __slots__ = ("_client", "_pieces", "_send_seconds", "_streams")

    _should_set_content_length = False

    def __init__(
        self,
        streams: Streams,
        client: str,
        pieces: AsyncGenerator[bytes, None],
        *,
        send_seconds: float = SEND_SECONDS,
    ) -> None:
        # For proxies like nginx, which would buffer the events.
        super().__init__(media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        self._streams = streams
        self._client = client
        self._pieces = pieces
        self._send_seconds = send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Returns when the stream has ended. Raises what `pieces` raises, or ProblemError (429, 503) at once."""
        # Many streams may have been admitted while the first ones were reading their positions.
        with self._streams.counted(self._client):
            async with contextlib.aclosing(self._pieces):
                await super().__call__(scope, receive, send)

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Sends the pieces until they end or the client disconnects."""
        writing = asyncio.create_task(self._write(send))
        disconnect = asyncio.create_task(_disconnected(receive))
        disconnect.add_done_callback(lambda _: writing.cancel())
        try:
            await writing
        except asyncio.CancelledError:
            if not disconnect.done():
                raise
        finally:
            disconnect.cancel()

    async def _write(self, send: Send) -> None:
        try:
            async for piece in self._pieces:
                for begin in range(0, len(piece), PIECE_BYTES):
                    await self._send(send, piece[begin : begin + PIECE_BYTES], more=True)
                del piece  # or it would be kept until the next one, perhaps for hours
            await self._send(send, b"", more=False)
        except TimeoutError:
            _stuck.inc()
            _log.info("stream_stuck", seconds=self._send_seconds)

    async def _send(self, send: Send, body: bytes, *, more: bool) -> None:
        # The server blocks here while the client does not read.
        async with asyncio.timeout(self._send_seconds):
            await send({"type": "http.response.body", "body": body, "more_body": more})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def resuming() -> Iterator[None]:
    """Turns errors about a Last-Event-ID into a ProblemError: 400 when it is malformed, 410 when it is lost."""
    try:
        yield
    except InvalidPositionError as error:
        raise ProblemError(MALFORMED, f"Last-Event-ID: {error}") from error
    except PositionLostError as error:
        raise ProblemError(
            POSITION_LOST,
            f"Last-Event-ID: {error} here, it is too old or from another database; "
            "begin without Last-Event-ID, then read the list again",
        ) from error


def documented(description: str) -> dict[int, ResponseSpec]:
    """The OpenAPI response of a stream; its operation is a `stream_of`."""
    return {200: ResponseSpec(str, media_type=MEDIA_TYPE, description=description, generate_examples=False)}


def stream_of(ids: str, **events: type[msgspec.Struct]) -> type[Described]:
    """The operation of a stream of these `events` by name, each with its data; `ids` is the pattern of their ids.

    The schema is that of one event, as in OpenAPI before 3.2, which has `itemSchema`.
    """
    schemas = [_event_schema(ids, name, data) for name, data in events.items()]
    schema = cast(Schema, schemas[0] if len(schemas) == 1 else {"oneOf": schemas})

    @dataclass
    class StreamOperation(Described):
        """An operation whose success is a stream of events."""

        def __post_init__(self) -> None:
            super().__post_init__()
            success = (self.responses or {}).get("200")
            if isinstance(success, OpenAPIResponse):
                success.content = {MEDIA_TYPE: OpenAPIMediaType(schema=schema)}

    return StreamOperation


def _event_schema(ids: str, name: str, data: type[msgspec.Struct]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "event": {"const": name},
            "id": {"type": "string", "pattern": f"^{ids}$"},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": inlined(msgspec.json.schema(data)),
            },
        },
        "required": ["event", "data"],
    }
