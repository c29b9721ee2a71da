"""Errors as problem+json (RFC 9457) from one fixed catalogue; each type has a page in docs/problems.md."""

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import asyncpg
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from reservaestoque.postgres import is_contended, is_transient
from reservaestoque.telemetry import logger

BASE = "https://reservaestoque.dev/problemas/"
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
MAX_BODY_BYTES = 64 * 1024

_LONE_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")

_log = logger(__name__)


@dataclass(frozen=True)
class Problem:
    """A kind of problem: the last part of its type URI, its status and its title."""

    slug: str
    status: HTTPStatus
    title: str


MALFORMED = Problem("requisicao-malformada", HTTPStatus.BAD_REQUEST, "The request cannot be read")
UNAUTHENTICATED = Problem("nao-autenticado", HTTPStatus.UNAUTHORIZED, "The caller is not known")
FORBIDDEN = Problem("sem-permissao", HTTPStatus.FORBIDDEN, "The caller may not do this")
NOT_FOUND = Problem("nao-encontrado", HTTPStatus.NOT_FOUND, "Not found")
METHOD = Problem("metodo-nao-permitido", HTTPStatus.METHOD_NOT_ALLOWED, "This method is not allowed here")
CONFLICT = Problem("estado-nao-permite", HTTPStatus.CONFLICT, "The order's status does not allow this")
POSITION_LOST = Problem("posicao-perdida", HTTPStatus.GONE, "The stream cannot resume from this position")
KEY_REUSED = Problem("chave-reutilizada", HTTPStatus.UNPROCESSABLE_ENTITY, "The key was used with another body")
TOO_LARGE = Problem("corpo-grande-demais", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request body is too large")
MEDIA = Problem("formato-nao-suportado", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be JSON")
LIMIT = Problem("limite-excedido", HTTPStatus.TOO_MANY_REQUESTS, "Too many requests")
INVALID = Problem("conteudo-invalido", HTTPStatus.UNPROCESSABLE_ENTITY, "The content breaks a rule")
UNAVAILABLE = Problem("indisponivel", HTTPStatus.SERVICE_UNAVAILABLE, "The service cannot do this right now")
INTERNAL = Problem("erro-interno", HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed")

_BY_STATUS = {p.status: p for p in (MALFORMED, NOT_FOUND, METHOD, TOO_LARGE, MEDIA, INVALID, UNAVAILABLE)}


_SENTENCES = {
    NOT_FOUND: "nothing is served at {request.url.path}",
    METHOD: "{request.method} is not served at {request.url.path}",
    TOO_LARGE: f"a request body has at most {MAX_BODY_BYTES} bytes",
}


_ALLOWED = {
    "sku": "a SKU has 1 to 64 letters, digits, '.', '_' and '-', and begins with a letter or a digit",
    "clienteId": "a clienteId has 1 to 128 printable ASCII characters",
}


class ProblemError(Exception):
    """Raised by handlers: the problem, a sentence that explains what was wrong and what is allowed, extra members."""

    def __init__(self, problem: Problem, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.problem = problem
        self.detail = detail
        self.members = members


def answer(
    request: Request[Any, Any, Any], problem: Problem, detail: str, **members: Any
) -> Response[dict[str, Any]]:
    """The problem+json response."""
    return Response(
        members_of(problem, detail, reference(request.scope.get("raw_path", b""))) | members,
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers_of(problem),
    )


def headers_of(problem: Problem) -> dict[str, str]:
    """The headers of its answer: the retry time of a 429 or 503, the scheme of a 401 (RFC 6750, section 3)."""
    if problem in (UNAVAILABLE, LIMIT):
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {"WWW-Authenticate": "Bearer"} if problem is UNAUTHENTICATED else {}


def reference(path: bytes) -> str:
    """A received path as a URI reference (RFC 3986): characters not allowed in one are percent-encoded."""
    return quote(_LONE_PERCENT.sub(b"%25", path), safe="/%:@!$&'()*+,;=-._~")


def members_of(problem: Problem, detail: str, path: str) -> dict[str, Any]:
    """The members that every problem has (RFC 9457, section 3.1)."""
    return {
        "type": BASE + problem.slug,
        "title": problem.title,
        "status": problem.status.value,
        "detail": detail,
        "instance": path,
    }


def on_problem(request: Request[Any, Any, Any], error: ProblemError) -> Response[dict[str, Any]]:
    """Answers what a handler raised."""
    return answer(request, error.problem, error.detail, **error.members)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, Any]]:
    """Answers what Litestar raised: no route, wrong method, body too large, unreadable or invalid."""
    if isinstance(error, ValidationException):
        return answer(request, INVALID, _broken_rules(error))
    problem = _BY_STATUS.get(HTTPStatus(error.status_code))
    if problem is None:
        return on_fault(request, error)
    response = answer(
        request, problem, _SENTENCES.get(problem, "{detail}").format(detail=error.detail, request=request)
    )
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def on_fault(request: Request[Any, Any, Any], fault: Exception) -> Response[dict[str, Any]]:
    """Answers everything else: 503 while the database is unavailable, 500 for our own bugs."""
    return on_problem(request, problem_of(fault, request.url.path))


def problem_of(fault: BaseException, path: str) -> ProblemError:
    """Logs a fault and returns its problem: 503 while the database is unavailable, 500 for our own bugs."""
    if isinstance(fault, ProblemError):
        return fault
    if is_transient(fault):
        _log.warning("request_unavailable", path=path, fault=repr(fault))
        return ProblemError(UNAVAILABLE, f"{_unavailable_reason(fault)}; try again shortly")
    _log.error("request_failed", path=path, exc_info=fault)
    return ProblemError(INTERNAL, "an unexpected error; it has been logged")


def _unavailable_reason(fault: BaseException) -> str:
    if isinstance(fault, asyncpg.ReadOnlySQLTransactionError):
        return "the database is read-only, so it takes no orders and no commands"
    if is_contended(fault):
        return "another request or job holds a row that this one needs"
    return "the database cannot be reached right now"


def _broken_rules(error: ValidationException) -> str:
    rules = error.extra if isinstance(error.extra, list) else []
    texts = [(_public(rule.get("key", "request")), rule["message"]) for rule in rules]
    return "; ".join(_allowed(name, message) or f"{name}: {message}" for name, message in texts) or error.detail


def _public(name: str) -> str:
    """A parameter's name as clients write it: Litestar reports the Python name."""
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def sentence(message: str) -> str:
    """msgspec's message; instead of a regular expression, it describes what is allowed."""
    _, found, path = message.partition(" - at `$.")
    return (_allowed(path.rstrip("`"), message) if found else None) or message


def _allowed(path: str, message: str) -> str | None:
    allowed = _ALLOWED.get(path.rpartition(".")[2])
    return f"{path}: {allowed}" if allowed and "matching regex" in message else None
