"""The Litestar application of a service, with everything that both services share."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import License
from litestar.types import ControllerRouterHandler

from reservaestoque.http.caching import no_store_by_default
from reservaestoque.http.head import HeadLikeGet
from reservaestoque.http.headers import combined
from reservaestoque.http.identity import Identity
from reservaestoque.http.openapi import ABOUT, QUERY, SECURITY, StructDescriptions, described
from reservaestoque.http.problems import (
    MALFORMED,
    MAX_BODY_BYTES,
    MEDIA,
    ProblemError,
    on_fault,
    on_http_error,
    on_problem,
)
from reservaestoque.http.tuning.metrics import measured
from reservaestoque.http.viewer import viewer
from reservaestoque.program import Health


def probes(health: Health) -> list[ControllerRouterHandler]:
    """The handlers of /health/live and /health/ready."""

    @get("/health/live", include_in_schema=False, sync_to_thread=False)
    def live() -> Response[dict[str, Any]]:
        status, body = health.live()
        return Response(body, status_code=status)

    @get("/health/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, Any]]:
        status, body = await health.ready()
        return Response(body, status_code=status)

    return [live, ready]


async def prepare(request: Request[Any, Any, Any]) -> None:
    """Combines repeated headers, then refuses a query or body that the route does not accept.

    Raises ProblemError (400, 415).
    """
    if request.scope["query_string"] and QUERY in request.route_handler.opt:
        check_query(request)
    headers = combined(request.scope["headers"])
    request.scope["headers"] = list(headers.items())  # before Litestar reads and caches them
    if headers.get(b"content-type") != b"application/json" or b"content-encoding" in headers:
        require_json(request)


def check_query(request: Request[Any, Any, Any]) -> None:
    """Raises ProblemError (400) for a repeated or unknown query parameter.

    A repeated parameter is ambiguous, and ignoring a misspelt filter would return more than the caller requested.
    """
    known = request.route_handler.opt[QUERY]
    seen = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
            raise ProblemError(MALFORMED, f"this call has no query parameter {name[:64]!r}; {takes}")
        if name in seen:
            raise ProblemError(MALFORMED, f"the query parameter {name!r} is repeated; give it once")
        seen.add(name)


def require_json(request: Request[Any, Any, Any]) -> None:
    """Raises ProblemError (415) for a body that is not declared as plain JSON in UTF-8."""
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    kind, parameters = request.content_type
    kind, charset = kind.lower(), parameters.get("charset", "utf-8")
    coding = headers.get("content-encoding", "identity").strip()
    if not (kind == "application/json" or kind.endswith("+json")):
        detail = f"content-type {kind or 'is missing'}: send the body as application/json"
    elif charset.lower() != "utf-8":
        detail = f"charset {charset}: send the body in UTF-8"
    elif coding.lower() != "identity":
        detail = f"content-encoding {coding}: send the body as it is, without compression"
    else:
        return
    raise ProblemError(MEDIA, detail)


def _answered(problem: Callable[[Any], ProblemError]) -> Callable[[Any, Any], Response[dict[str, Any]]]:
    return lambda request, error: on_problem(request, problem(error))


def service_app(
    *,
    title: str,
    version: str,
    route_handlers: Sequence[ControllerRouterHandler],
    health: Health,
    dependencies: dict[str, Provide],
    identity: Identity | None = None,
    problems: Mapping[type[Exception], Callable[[Any], ProblemError]] = MappingProxyType({}),
) -> Litestar:
    """A Litestar application with these routes, health, OpenAPI at /schema/<title>, problem+json.

    `identity` guards only these routes; without one they are open to all callers. `problems` maps the errors that a
    route may raise to their answers.
    """
    identity = identity or Identity()
    described_handlers = [described(handler, identity=identity.required) for handler in route_handlers]
    path = f"/schema/{title}"  # the path at the gateway: the page requests the document by its full path
    page, script = viewer(path)
    return Litestar(
        route_handlers=[*map(identity.guarding, described_handlers), *probes(health), script],
        dependencies={**dependencies, "caller": Provide(identity.provide, sync_to_thread=False)},
        middleware=[measured],
        before_send=[no_store_by_default],
        before_request=prepare,
        request_max_body_size=MAX_BODY_BYTES,
        exception_handlers={
            **{error: _answered(problem) for error, problem in problems.items()},
            ProblemError: on_problem,
            HTTPException: on_http_error,
            Exception: on_fault,
        },
        openapi_config=OpenAPIConfig(
            title=title,
            version=version,
            description=ABOUT,
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            use_handler_docstrings=True,
            components=SECURITY,
            operation_id_creator=lambda handler, *_: handler.handler_name,
            path=path,
            render_plugins=[page],
        ),
        plugins=[StructDescriptions(), HeadLikeGet()],
        logging_config=None,
    )
