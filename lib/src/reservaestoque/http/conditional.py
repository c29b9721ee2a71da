"""Conditional GET (RFC 9110, section 13.1.2): a client that has the current representation does not get it again.

Caches may store it, and must revalidate it each time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Parameter, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Message, Receive, Scope, Send

from reservaestoque.http.caching import CACHE_CONTROL
from reservaestoque.http.openapi import Described


@dataclass
class ConditionalGet(Described):
    """The operation of a handler with a conditional GET."""

    def __post_init__(self) -> None:
        """Documents the header that Litestar does not see."""
        super().__post_init__()
        self.parameters = [
            *(self.parameters or ()),
            Parameter(
                name="If-None-Match",
                param_in="header",
                schema=Schema(type=OpenAPIType.STRING),
                description="ETags of earlier answers: if one of them is current, the answer is 304.",
            ),
        ]


def _conditional(cache_control: bytes) -> Callable[[ASGIApp], ASGIApp]:
    def middleware(app: ASGIApp) -> ASGIApp:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            known = dict(scope["headers"]).get(b"if-none-match", b"")
            start: HTTPResponseStartEvent | None = None

            async def deciding(message: Message) -> None:
                nonlocal start
                if message["type"] == "http.response.start" and message["status"] == HTTPStatus.OK:
                    start = message
                elif message["type"] == "http.response.body" and start is not None:
                    begun, start = start, None
                    for event in _answer(begun, message, known, cache_control):
                        await send(event)
                else:
                    await send(message)

            await app(scope, receive, deciding)

        return call

    return middleware


def _answer(
    start: HTTPResponseStartEvent, body: HTTPResponseBodyEvent, known: bytes, cache_control: bytes
) -> tuple[HTTPResponseStartEvent, HTTPResponseBodyEvent]:
    """The answer with its ETag, or 304. These handlers send their body in one piece."""
    tag = b'"%s"' % blake2b(body["body"], digest_size=12).hexdigest().encode()
    headers = [(b"etag", tag), (CACHE_CONTROL, cache_control)]
    if known.strip() == b"*" or tag in (one.strip().removeprefix(b"W/") for one in known.split(b",")):
        return {**start, "status": 304, "headers": headers}, {**body, "body": b""}
    return {**start, "headers": [*start["headers"], *headers]}, body


def conditional_get(*, private: bool = False) -> dict[str, Any]:
    """Arguments of a GET handler whose answer has an ETag, and is 304 for a client that sends the current one.

    A `private` answer concerns one customer: shared caches may not store it.
    """
    cache_control = "private, no-cache" if private else "no-cache"
    return {
        "middleware": [_conditional(cache_control.encode())],
        "operation_class": ConditionalGet,
        "response_headers": [
            _documented("ETag", "Identifies this version of the answer."),
            _documented("Cache-Control", f"`{cache_control}`: caches must revalidate this answer before using it."),
        ],
        "responses": {304: ResponseSpec(None, description="The current answer is one that `If-None-Match` names.")},
    }


def _documented(name: str, description: str) -> ResponseHeader:
    return ResponseHeader(name, documentation_only=True, value="", required=True, description=description)
