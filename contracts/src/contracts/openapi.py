"""The OpenAPI documents of the services, generated from their applications."""

from collections.abc import Iterable
from enum import Enum
from importlib.metadata import version
from inspect import isclass
from types import ModuleType
from typing import Any
from uuid import UUID

import msgspec
from litestar.constants import RESERVED_KWARGS
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

import estoque.app
import pedidos.app
from reservaestoque.http import service_app
from reservaestoque.http.identity import Identity
from reservaestoque.program import Health

SERVICES: dict[str, ModuleType] = {"pedidos": pedidos.app, "estoque": estoque.app}
_VALUES = (str, int, float, bool, UUID, Enum, msgspec.Struct)


def openapi(service: str) -> dict[str, Any]:
    """The document that the service serves at /schema/<service>/openapi.json if it requires tokens."""
    routes = _routes(SERVICES[service])
    app = service_app(
        title=service,
        version=version(f"reservaestoque-{service}"),
        route_handlers=routes,
        health=Health(_nothing_missing),
        identity=Identity("gateway"),
        dependencies={name: _nothing() for name in sorted(_dependencies(routes))},
    )
    return app.openapi_schema.to_schema()


def _routes(wiring: ModuleType) -> list[HTTPRouteHandler]:
    """All route handlers in a service's wiring module, which imports them as tuples such as ROUTES."""
    tuples = [value for value in vars(wiring).values() if isinstance(value, tuple)]
    return [route for group in tuples for route in group if isinstance(route, HTTPRouteHandler)]


def _dependencies(routes: Iterable[HTTPRouteHandler]) -> set[str]:
    """The handler arguments that dependency injection provides.

    Their types are our own classes, not values that a URL or a header can carry.
    """
    return {
        name
        for route in routes
        for name, field in route.parsed_fn_signature.parameters.items()
        if name not in RESERVED_KWARGS and isclass(field.annotation) and not issubclass(field.annotation, _VALUES)
    }


def _nothing() -> Provide:
    """A placeholder dependency; Litestar requires a distinct function per name."""
    return Provide(lambda: None, sync_to_thread=False)


async def _nothing_missing() -> list[str]:
    """Never called: the application is only described here."""
    return []
