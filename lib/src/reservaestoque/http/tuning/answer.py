"""A JSON answer without what no route here uses: cookies, background tasks, other media types."""

from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class JsonAnswer(Response[T]):
    """Content that msgspec can write, a status and headers, for a route that is asked all the time.

    Litestar's own answer costs three times as much: a seventh of what a request costs in all, the order
    aside. It can go when Litestar writes an answer without preparing for what it lacks.
    """

    def __init__(
        self, content: T, *, status_code: int, headers: dict[str, str], media_type: bytes = b"application/json"
    ) -> None:
        # Not Litestar's, which makes ready for all that an answer might have.
        self.content = content
        self.status_code = status_code
        self.headers = headers
        self._media_type = media_type

    def messages(self) -> tuple[HTTPResponseStartEvent, HTTPResponseBodyEvent]:
        """What the server sends, written out."""
        body = _encode(self.content)
        headers = [
            (b"content-type", self._media_type),
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]
        return (
            HTTPResponseStartEvent(type="http.response.start", status=self.status_code or 200, headers=headers),
            HTTPResponseBodyEvent(type="http.response.body", body=body, more_body=False),
        )

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        """The answer, written out."""
        start, piece = self.messages()

        async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send(start)
            await send(piece)

        return answer
