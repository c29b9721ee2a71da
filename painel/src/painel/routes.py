"""HTTP: the page, and the state of the system as JSON and as server-sent events."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter
from litestar.response.base import ASGIResponse

from painel.page import HEADERS, File
from painel.system_state import SystemState
from painel.watch import Watch
from reservaestoque.http import ProblemError
from reservaestoque.http.caller import ALL_ORDERS, Caller, has_scope
from reservaestoque.http.head import STREAM
from reservaestoque.http.identity import Identity, Mode
from reservaestoque.http.problems import NOT_FOUND
from reservaestoque.streams import EventStream, Streams, client_of, documented

INDEX = "index.html"


def administrators(mode: Mode) -> Identity:
    """Admits callers who may see all orders."""
    refusal = f"the state of the system needs the scope {ALL_ORDERS}"
    return Identity(mode, rule=lambda caller: has_scope(caller, ALL_ORDERS), refusal=refusal)


class Sources(NamedTuple):
    """The sources of the routes' answers."""

    watch: Watch
    streams: Streams
    files: Mapping[str, File]
    identity: Identity

    def admit(self, request: Request[Any, Any, Any]) -> Caller:
        """The caller, who may see the state of the system. Raises ProblemError (401, 403)."""
        return self.identity.admitted(dict(request.scope["headers"]))


@get("/painel/sistema", summary="The state of the system", response_description="The state.")
async def get_system(request: Request[Any, Any, Any], sources: NamedDependency[Sources]) -> SystemState:
    """Parts, rates, outboxes, dead letters and the audit, as reported by the parts; at most 2 s old."""
    sources.admit(request)
    return await sources.watch.latest()


@get(
    "/painel/sistema/eventos",
    summary="The state of the system as it changes",
    responses=documented("Events `sistema`: the state as `GET /painel/sistema` shows it, every two seconds."),
    opt={STREAM: True},
)
async def follow_system(request: Request[Any, Any, Any], sources: NamedDependency[Sources]) -> ASGIResponse:
    """A stream of states. Raises ProblemError: 401, 403; 503 if too many are open."""
    client = client_of(sources.admit(request), request.scope)
    sources.streams.admit(client)
    return EventStream(sources.streams, client, sources.watch.follow())


@get("/", include_in_schema=False)
async def get_page(request: Request[Any, Any, Any], sources: NamedDependency[Sources]) -> Response[bytes]:
    """The page."""
    return _file(request, sources.files, INDEX)


@get("/painel/{name:str}", include_in_schema=False)
async def get_file(
    request: Request[Any, Any, Any], sources: NamedDependency[Sources], name: Annotated[str, PathParameter()]
) -> Response[bytes]:
    """A file of the page. Raises ProblemError (404)."""
    return _file(request, sources.files, name)


def _file(request: Request[Any, Any, Any], files: Mapping[str, File], name: str) -> Response[bytes]:
    file = files.get(name)
    if file is None:
        raise ProblemError(NOT_FOUND, f"nothing is served at {request.url.path}")
    headers = {**HEADERS, "ETag": file.etag}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers, media_type=file.media_type)
    return Response(file.body, headers=headers, media_type=file.media_type)


ROUTES = (get_system, follow_system, get_page, get_file)
