"""The shared part of both services' OpenAPI documents: the problems that an operation may answer with."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from inspect import cleandoc
from typing import Annotated, Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Components,
    Example,
    OpenAPIHeader,
    OpenAPIResponse,
    Operation,
    Parameter,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import QueryParameter
from litestar.plugins import OpenAPISchemaPlugin
from litestar.types import ControllerRouterHandler
from litestar.typing import FieldDefinition
from msgspec import Meta

from reservaestoque.http import problems
from reservaestoque.http.caller import ALL_ORDERS, READ_STOCK
from reservaestoque.http.head import STREAM
from reservaestoque.http.identity import TICKET
from reservaestoque.http.problems import MEDIA_TYPE, Problem

ABOUT = f"""\
HEAD answers like GET, without the body, except for event streams, which have no HEAD.

Caches may store answers with an `ETag`, and must revalidate them before each use (`Cache-Control: no-cache`); those
about orders only in the customer's own cache (`private`). All others are `no-store`.

Query parameters that an operation does not list, and repeated ones, are refused (400).

A shop may require tokens at its gateway. Then customers, whose `clienteId` is the token's `sub`, see and change only
their own orders; orders of other customers are answered like unknown ones. The scope `{ALL_ORDERS}` opens the orders
of all customers, the scope `{READ_STOCK}` the balances.

Errors are `{MEDIA_TYPE}` (RFC 9457): each operation lists its possible errors. The gateway itself may
answer 400 for a malformed path (such as one with an escaped `/` or `\\`), 404 and 405 for unknown paths and methods,
408, 429, 431, 503 and 504. docs/problems.md describes every type.
"""


_DETAILS = {
    problems.MALFORMED: "the body is not valid JSON: Input data was truncated",
    problems.UNAUTHENTICATED: "this call needs a token: Authorization: Bearer …",
    problems.FORBIDDEN: "these orders are another customer's; the scope pedidos:admin opens them",
    problems.NOT_FOUND: "there is no order with this id",
    problems.CONFLICT: "the order has ended; it is Fechado",
    problems.KEY_REUSED: "this Idempotency-Key was used before, with another body",
    problems.TOO_LARGE: f"a request body has at most {problems.MAX_BODY_BYTES} bytes",
    problems.MEDIA: "content-type text/plain: send the body as application/json",
    problems.INVALID: "limite: Expected `int` <= 200",
    problems.LIMIT: "Repeat the request after the time given in Retry-After.",
    problems.UNAVAILABLE: "the database cannot be reached right now; try again shortly",
    problems.INTERNAL: "an unexpected error; it has been logged",
}
"""A sample `detail`; a problem that is not listed is shown with its title."""


class ProblemDetails(msgspec.Struct, frozen=True):
    """A description of the error (RFC 9457). Some types have further members."""

    type: Annotated[str, Meta(description=f"The kind of problem: `{problems.BASE}` and a word.")]
    title: Annotated[str, Meta(description="The kind of problem in words; always the same for a type.")]
    status: Annotated[int, Meta(description="The response's status code.")]
    detail: Annotated[str, Meta(description="A sentence about this particular request.")]
    instance: (
        Annotated[
            str,
            Meta(description="The path, as a URI reference (RFC 3986); absent if the gateway could not parse it."),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET


SECURITY = Components(
    security_schemes={
        "bearer": SecurityScheme(
            type="http",
            scheme="bearer",
            bearer_format="JWT",
            description="A token from the shop's identity provider (RFC 6750), if the shop requires one.",
        ),
        TICKET: SecurityScheme(
            type="apiKey",
            name=TICKET,
            security_scheme_in="query",
            description="A ticket, which opens one event stream: for clients that cannot send a header.",
        ),
    }
)
"""The ways in which a client authenticates."""

QUERY = "query"
"""Key in a handler's `opt`: the names of its query parameters."""


@dataclass  # or Operation's __init__ would not call __post_init__
class Described(Operation):
    """An operation described by its handler's docstring, without the part about Python errors.

    All of its success responses carry the same headers. Litestar's own description of validation errors is left out,
    because they are answered as problems (`described`).
    """

    def __post_init__(self) -> None:
        self.description = (self.description or "").partition("Raises ")[0].strip() or None
        answers = {code: one for code, one in (self.responses or {}).items() if isinstance(one, OpenAPIResponse)}
        self.responses = {code: one for code, one in sorted(answers.items()) if not _is_litestar_error(code, one)}
        headers = next((one.headers for code, one in answers.items() if code < "300" and one.headers), None)
        for code, one in answers.items():
            one.headers = dict(sorted((headers or {}).items())) if code < "400" else _ERROR_HEADERS.get(code)
            _drop_example_ids(one)
        # A ticket authenticates, so it is described as a security scheme.
        self.parameters = [one for one in self.parameters or () if getattr(one, "name", "") != TICKET] or None
        for parameter in self.parameters or ():
            schema = getattr(parameter, "schema", None)
            if isinstance(parameter, Parameter) and isinstance(schema, Schema) and schema.default == "":
                # An empty value is accepted as absent, but clients should not send it.
                schema.default = None
                parameter.allow_empty_value = parameter.param_in == "query"


class StructDescriptions(OpenAPISchemaPlugin):
    """Schemas of msgspec structs as Litestar generates them, plus the docstrings, which it omits."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        """Only structs, no unions."""
        return not field_definition.is_union and field_definition.is_subclass_of(msgspec.Struct)

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        """The schema that the next plugin generates, with a description."""
        others = (one for one in schema_creator.plugins if one is not self)
        delegate = next(one for one in others if schema_creator.plugin_supports_field(one, field_definition))
        schema: Schema = delegate.to_openapi_schema(field_definition=field_definition, schema_creator=schema_creator)
        schema.description = cleandoc(field_definition.type_.__doc__ or "") or None
        return schema


def described(handler: ControllerRouterHandler, *, identity: bool) -> ControllerRouterHandler:
    """The handler with its possible problems (those of its option `problems`, and the common ones) and its security.

    Without `identity` a handler serves everyone, with or without a token.
    """
    if not isinstance(handler, HTTPRouteHandler):
        return handler
    kinds = {*handler.opt.get("problems", ()), *_common_problems(handler)}
    handler = copy(handler)
    handler.opt = {**handler.opt, QUERY: frozenset(_query_parameters(handler))}
    tickets: list[dict[str, list[str]]] = [{TICKET: []}] if handler.opt.get(STREAM) else []
    handler.security = [*([] if identity else [{}]), {"bearer": []}, *tickets]
    handler.responses = {**(handler.responses or {}), **_answers(sorted(kinds, key=lambda one: one.slug))}
    if not issubclass(handler.operation_class, Described):
        handler.operation_class = Described
    return handler


def _common_problems(handler: HTTPRouteHandler) -> Iterable[Problem]:
    """The problems that the application itself may answer with, regardless of the handler."""
    yield from (problems.INTERNAL, problems.UNAVAILABLE, problems.LIMIT)
    yield from (problems.MALFORMED, problems.UNAUTHENTICATED, problems.FORBIDDEN)
    fields = handler.parsed_fn_signature.parameters
    if "POST" in handler.http_methods:
        yield from (problems.MEDIA, problems.TOO_LARGE)
    if "body" in fields or set(_query_parameters(handler)) - {TICKET, "lastEventId"}:
        yield problems.INVALID


def _query_parameters(handler: HTTPRouteHandler) -> Iterable[str]:
    """The names of its query parameters, as clients spell them."""
    for name, field in handler.parsed_fn_signature.parameters.items():
        if isinstance(
            field.kwarg_definition, QueryParameter
        ):  # a dependency is not a parameter, although it has a kind
            yield field.kwarg_definition.name or name


def _answers(kinds: Iterable[Problem]) -> dict[int, ResponseSpec]:
    by_status: dict[int, list[Problem]] = {}
    for problem in kinds:
        by_status.setdefault(problem.status.value, []).append(problem)
    return {
        status: ResponseSpec(
            ProblemDetails,
            generate_examples=False,
            media_type=MEDIA_TYPE,
            description="; or: ".join(f"{problem.title} (`{problem.slug}`)" for problem in alike),
            examples=[
                Example(
                    id=problem.slug,
                    summary=problem.title,
                    value=problems.members_of(problem, _DETAILS.get(problem, problem.title), "/pedidos"),
                )
                for problem in alike
            ],
        )
        for status, alike in by_status.items()
    }


def _is_litestar_error(code: str, response: OpenAPIResponse) -> bool:
    return code >= "400" and "application/json" in (response.content or {})


def _drop_example_ids(response: OpenAPIResponse) -> None:
    """Litestar uses an example's id as its name, but also emits the id, which OpenAPI does not define."""
    for content in (response.content or {}).values():
        for example in (content.examples or {}).values():
            if isinstance(example, Example):
                example.id = None


_ERROR_HEADERS: dict[str, dict[str, Any]] = {
    str(problem.status.value): {name: OpenAPIHeader(schema=Schema(type=kind), description=description)}
    for problem, name, kind, description in (
        (problems.UNAUTHENTICATED, "WWW-Authenticate", OpenAPIType.STRING, "How to authenticate: `Bearer`."),
        (problems.LIMIT, "Retry-After", OpenAPIType.INTEGER, "Seconds to wait before a retry."),
        (problems.UNAVAILABLE, "Retry-After", OpenAPIType.INTEGER, "Seconds to wait before a retry."),
    )
}
