"""Methods implied by others: HEAD, which Litestar does not derive from GET, and OPTIONS."""

from copy import copy

from litestar.enums import HttpMethod
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import Method

STREAM = "stream"
"""Key in a handler's `opt`: it answers with a stream, whose duration is no measure of the service's speed."""


class HeadLikeGet(ReceiveRoutePlugin):
    """Gives each route that has GET a HEAD as well (RFC 9110, section 9.3.2); the server omits its body.

    Except event streams, which have no end: there HEAD is not allowed. OPTIONS lists all methods of a path.
    """

    def __init__(self) -> None:
        self._methods: dict[str, set[Method | HttpMethod]] = {}

    def receive_route(self, route: BaseRoute) -> None:
        """Adds HEAD, which OpenAPI does not list."""
        if not isinstance(route, HTTPRoute):
            return
        get, parameters = route.route_handler_map.get("GET", (None, None))
        if get and parameters and not get.opt.get(STREAM):
            head = copy(get)
            head._resolved_include_in_schema = False
            route.route_handler_map["HEAD"] = (head, parameters)
            route.methods.add("HEAD")
        # Another handler for the path creates a new route, but OPTIONS would still list only those of the first.
        methods = self._methods.setdefault(route.path, set())
        methods |= route.methods
        route.methods = methods
