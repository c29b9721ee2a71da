"""The HTTP answer that is a stream: open for as long as its client reads, and no longer."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Annotated

from litestar.openapi import ResponseSpec
from litestar.params import HeaderParameter
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from prometheus_client import Counter, Gauge

from reservaestoque.http.problems import MALFORMED, POSITION_LOST, UNAVAILABLE, ProblemError
from reservaestoque.streams.position import InvalidPositionError, PositionLostError
from reservaestoque.telemetry import logger

MEDIA_TYPE = "text/event-stream"
SEND_SECONDS = 30.0
PIECE_BYTES = 16 * 1024

LastEventId = Annotated[
    str, HeaderParameter(name="Last-Event-ID", description="The last event's id: the stream resumes after it.")
]

_log = logger(__name__)
_open = Gauge("streams_open", "Event streams that are open now")
_refused = Counter("streams_refused_total", "Event streams that were refused because too many were open")
_stuck = Counter("streams_stuck_total", "Event streams that were ended because their client took nothing for long")


class Streams:
    """The number of this process's streams: `limit` at most."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0

    def admit(self) -> None:
        """Raises ProblemError (503) when no more streams may be opened."""
        if self._open >= self._limit:
            _refused.inc()
            raise ProblemError(UNAVAILABLE, f"{self._limit} event streams are open already; try again shortly")

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Counts a stream as open until the block ends. Raises ProblemError (503) as `admit` does."""
        self.admit()
        self._open += 1
        _open.inc()
        try:
            yield
        finally:
            self._open -= 1
            _open.dec()


class EventStream(ASGIResponse):
    """Sends `pieces` as they arrive, until they end or the client disconnects; then closes `pieces`."""

    __slots__ = ("_pieces", "_send_seconds", "_streams")

    _should_set_content_length = False

    def __init__(
        self, streams: Streams, pieces: AsyncGenerator[bytes, None], *, send_seconds: float = SEND_SECONDS
    ) -> None:
        # For proxies like nginx, which would buffer the events.
        super().__init__(media_type=MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})
        self._streams = streams
        self._pieces = pieces
        self._send_seconds = send_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Returns when the stream has ended. Raises what `pieces` raises, and ProblemError (503) before it begins."""
        # Many may have been admitted while the first ones were looking up where they begin.
        with self._streams.counted():
            async with contextlib.aclosing(self._pieces):
                await super().__call__(scope, receive, send)

    async def send_body(self, send: Send, receive: Receive) -> None:
        """Sends the pieces until they end or the client disconnects."""
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_left(receive))
        leaving.add_done_callback(lambda _: writing.cancel())
        try:
            await writing
        except asyncio.CancelledError:
            if not leaving.done():
                raise
        finally:
            leaving.cancel()

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
        # The server blocks here while the client does not read what it has been sent.
        async with asyncio.timeout(self._send_seconds):
            await send({"type": "http.response.body", "body": body, "more_body": more})


async def _left(receive: Receive) -> None:
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
            f"Last-Event-ID: {error} here, it is too old or of another database; "
            "read the list again and begin without Last-Event-ID",
        ) from error


def documented(description: str) -> dict[int, ResponseSpec]:
    """What OpenAPI says of a stream's success."""
    return {200: ResponseSpec(str, media_type=MEDIA_TYPE, description=description, generate_examples=False)}
