"""The page that shows an OpenAPI document: Scalar, served by the service, so that it works offline."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from functools import cache
from importlib.metadata import distribution
from typing import Any, NamedTuple

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import ScalarRenderPlugin
from litestar.response import Stream

_DISTRIBUTION = "flask-openapi3-scalar"
_FILE = "flask_openapi3_scalar/templates/scalar/js/scalar.standalone.js"
_EMPTY = "data:text/css,"
"""Replaces files that Litestar would have browsers load from other sites."""
_HEADERS = {
    "Cache-Control": "public, max-age=86400, no-transform",  # or the gateway would compress it for each request
    "Vary": "Accept-Encoding",
}

PIECE_BYTES = 16 * 1024


class _Script(NamedTuple):
    plain: bytes
    gzipped: bytes


@cache
def _script() -> _Script:
    """Reads the script from the installed wheel, whose own code needs Flask and is never imported."""
    plain = bytes(distribution(_DISTRIBUTION).locate_file(_FILE).read_bytes())  # type: ignore[attr-defined]
    return _Script(plain, gzip.compress(plain, mtime=0))


def viewer(path: str) -> tuple[ScalarRenderPlugin, HTTPRouteHandler]:
    """The page for the document under `path`, and the route of its script, `<path>/scalar.js`."""
    address = f"{path}/scalar.js"

    @get(address, include_in_schema=False)
    async def script(request: Request[Any, Any, Any]) -> Stream:
        found = await asyncio.to_thread(_script)
        zipped = accepts_gzip(request.headers.get("accept-encoding", ""))
        body = found.gzipped if zipped else found.plain
        headers = {**_HEADERS, "Content-Length": str(len(body)), **({"Content-Encoding": "gzip"} if zipped else {})}
        return Stream(_pieces(body), media_type="text/javascript", headers=headers)

    page = ScalarRenderPlugin(
        js_url=address,
        css_url=_EMPTY,
        favicon=f'<link rel="icon" href="{_EMPTY}">',
        options={"withDefaultFonts": False, "telemetry": False, "agent": {"disabled": True}},
    )
    return page, script


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether this Accept-Encoding names gzip with a weight other than 0."""
    for coding in accept_encoding.lower().split(","):
        name, *parameters = (part.replace(" ", "") for part in coding.split(";"))
        if name in ("gzip", "x-gzip"):
            return not any(parameter.startswith("q=0") and not parameter.strip("q=0.") for parameter in parameters)
    return False


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """Splits the body: the server accepts a piece once the client has read the previous ones.

    In one piece, every client that requests the script and does not read it would hold a copy, and anyone may request
    it.
    """
    for begin in range(0, len(body), PIECE_BYTES):
        yield body[begin : begin + PIECE_BYTES]
