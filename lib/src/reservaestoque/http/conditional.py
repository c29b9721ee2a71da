"""Conditional GET (RFC 9110, section 13.1.2): who has the present representation already is not sent it again."""

from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Message, Receive, Scope, Send

from reservaestoque.http.openapi import Described


@dataclass
class ConditionalGet(Described):
    """The operation of such a handler."""

    def __post_init__(self) -> None:
        """Tells of the header that Litestar does not see."""
        super().__post_init__()
        self.parameters = [
            *(self.parameters or ()),
            Parameter(
                name="If-None-Match",
                param_in="header",
                schema=Schema(type=OpenAPIType.STRING),
                description="ETags of earlier answers: if one of them is the present one's, the answer is 304.",
            ),
        ]


def _conditional(app: ASGIApp) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        known = dict(scope["headers"]).get(b"if-none-match", b"")
        start: HTTPResponseStartEvent | None = None

        async def deciding(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                start = message
            elif message["type"] == "http.response.body" and start is not None:
                begun, start = start, None
                for event in _answer(begun, message, known):
                    await send(event)
            else:
                await send(message)

        await app(scope, receive, deciding)

    return call


def _answer(
    start: HTTPResponseStartEvent, body: HTTPResponseBodyEvent, known: bytes
) -> tuple[HTTPResponseStartEvent, HTTPResponseBodyEvent]:
    """The answer with its ETag, or 304. These handlers send their body in one piece."""
    tag = b'"%s"' % blake2b(body["body"], digest_size=12).hexdigest().encode()
    if known.strip() == b"*" or tag in (one.strip().removeprefix(b"W/") for one in known.split(b",")):
        return {**start, "status": 304, "headers": [(b"etag", tag)]}, {**body, "body": b""}
    return {**start, "headers": [*start["headers"], (b"etag", tag)]}, body


CONDITIONAL_GET: dict[str, Any] = {
    "middleware": [_conditional],
    "operation_class": ConditionalGet,
    "response_headers": [
        ResponseHeader(
            "ETag", documentation_only=True, value="", required=True, description="Names this very answer."
        )
    ],
    "responses": {304: ResponseSpec(None, description="What `If-None-Match` names is what there is.")},
}
"""Arguments of a GET handler whose answer has an ETag, and is 304 for whoever names it."""
