"""A JSON answer without what no route here uses: cookies, background tasks, other media types."""

from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Receive, Scope, Send

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class JsonAnswer(Response[T]):
    """Content that msgspec can write, a status and headers, for a route that is asked all the time.

    Litestar's own answer costs three times as much: a seventh of what a request costs in all, the order aside.
    """

    def __init__(self, content: T, *, status_code: int, headers: dict[str, str]) -> None:
        # Not Litestar's, which makes ready for all that an answer might have.
        self.content = content
        self.status_code = status_code
        self.headers = headers

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        """The answer, written out."""
        body = _encode(self.content)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]
        start = HTTPResponseStartEvent(type="http.response.start", status=self.status_code or 200, headers=headers)
        piece = HTTPResponseBodyEvent(type="http.response.body", body=body, more_body=False)

        async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send(start)
            await send(piece)

        return answer
