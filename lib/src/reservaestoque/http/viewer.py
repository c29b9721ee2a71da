"""The page that shows an OpenAPI document: Scalar, served by the service itself, so that it works offline."""

from functools import cache
from importlib.metadata import distribution

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import ScalarRenderPlugin

_DISTRIBUTION = "flask-openapi3-scalar"
_FILE = "flask_openapi3_scalar/templates/scalar/js/scalar.standalone.js"
_NOTHING = "data:text/css,"
"""In place of what Litestar would have browsers load from elsewhere."""
_DAY = "public, max-age=86400"


@cache
def _script() -> bytes:
    """Read from the installed wheel, whose own code needs Flask and is never imported."""
    return bytes(distribution(_DISTRIBUTION).locate_file(_FILE).read_bytes())  # type: ignore[attr-defined]


def viewer(path: str) -> tuple[ScalarRenderPlugin, HTTPRouteHandler]:
    """The page for the document below `path`, and the route of its script, `<path>/scalar.js`."""
    address = f"{path}/scalar.js"

    @get(address, include_in_schema=False, sync_to_thread=True, media_type="text/javascript")
    def script() -> Response[bytes]:
        return Response(_script(), media_type="text/javascript", headers={"Cache-Control": _DAY})

    page = ScalarRenderPlugin(
        js_url=address,
        css_url=_NOTHING,
        favicon=f'<link rel="icon" href="{_NOTHING}">',
        options={"withDefaultFonts": False, "telemetry": False, "agent": {"disabled": True}},
    )
    return page, script
