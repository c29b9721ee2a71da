"""The OpenAPI documents of the services, from the applications that they run."""

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

SERVICOS: dict[str, ModuleType] = {"pedidos": pedidos.app, "estoque": estoque.app}
_VALORES = (str, int, float, bool, UUID, Enum, msgspec.Struct)


def openapi(servico: str) -> dict[str, Any]:
    """The document that the service serves at /schema/<service>/openapi.json."""
    rotas = _rotas(SERVICOS[servico])
    app = service_app(
        title=servico,
        version=version(f"reservaestoque-{servico}"),
        route_handlers=rotas,
        is_ready=_nunca,
        dependencies={nome: _nada() for nome in sorted(_dependencias(rotas))},
    )
    return app.openapi_schema.to_schema()


def _rotas(fiacao: ModuleType) -> list[HTTPRouteHandler]:
    """All routes that a service's wiring knows: tuples of handlers, like ROUTES."""
    tuplas = [valor for valor in vars(fiacao).values() if isinstance(valor, tuple)]
    return [rota for tupla in tuplas for rota in tupla if isinstance(rota, HTTPRouteHandler)]


def _dependencias(rotas: Iterable[HTTPRouteHandler]) -> set[str]:
    """The handlers' arguments that come from the application's wiring and not from the request.

    They are those whose type is a class of ours rather than a value that can stand in a URL or a header.
    """
    return {
        nome
        for rota in rotas
        for nome, campo in rota.parsed_fn_signature.parameters.items()
        if nome not in RESERVED_KWARGS and isclass(campo.annotation) and not issubclass(campo.annotation, _VALORES)
    }


def _nada() -> Provide:
    """Stands for what is wired at run time; Litestar wants another function for each name."""
    return Provide(lambda: None, sync_to_thread=False)


async def _nunca() -> bool:
    """Nothing is served here, only described."""
    return False
