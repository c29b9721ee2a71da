"""The script of the OpenAPI page: it is large, and anyone may request it."""

import asyncio
import gzip
from typing import Any

import pytest
from litestar import Litestar

from reservaestoque.http.viewer import PIECE_BYTES, accepts_gzip, viewer


def messages(**headers: str) -> list[dict[str, Any]]:
    """The messages that the server is told to send."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/schema/shop/scalar.js",
        "raw_path": b"/schema/shop/scalar.js",
        "query_string": b"",
        "headers": lines,
        "http_version": "1.1",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    sent: list[dict[str, Any]] = []
    complete = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await complete.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("more_body") is False:
            complete.set()

    app: Any = Litestar([viewer("/schema/shop")[1]], openapi_config=None)
    asyncio.run(app(scope, receive, send))
    return sent


def test_a_client_that_does_not_read_makes_the_service_hold_one_piece():
    start, *pieces = messages()
    headers = dict(start["headers"])
    body = b"".join(piece["body"] for piece in pieces)
    assert max(len(piece["body"]) for piece in pieces) == PIECE_BYTES
    assert int(headers[b"content-length"]) == len(body) > 100 * PIECE_BYTES
    assert b"content-encoding" not in headers


def test_it_is_compressed_once_and_not_again_by_the_gateway():
    start, *pieces = messages(accept_encoding="br, gzip")
    headers = dict(start["headers"])
    body = b"".join(piece["body"] for piece in pieces)
    assert gzip.decompress(body) == b"".join(piece["body"] for piece in messages()[1:])
    assert int(headers[b"content-length"]) == len(body)
    assert headers[b"content-encoding"] == b"gzip"
    assert headers[b"vary"] == b"Accept-Encoding"
    assert b"no-transform" in headers[b"cache-control"]


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("br;q=1.0, GZIP ; q=0.5", True),
        ("x-gzip", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("gzip;q=0.001", True),
        ("identity", False),
        ("*", False),
    ],
)
def test_whether_a_client_accepts_gzip(accepted: str, takes: bool):
    assert accepts_gzip(accepted) is takes
