"""The request headers of orders and commands, and the headers of their answers."""

from typing import Annotated

from litestar.datastructures import ResponseHeader
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter

from pedidos.command import KEY_PATTERN, MAX_KEY, parse_key
from pedidos.intake import RequestContext
from pedidos.prefer import MAX_WAIT_SECONDS, wait_seconds
from reservaestoque.telemetry import trace

Prefer = Annotated[
    str,
    HeaderParameter(
        name="Prefer",
        description=f"`wait=N`: wait up to N seconds, {MAX_WAIT_SECONDS} at most, for the outcome (RFC 7240).",
        examples=[Example(value="wait=5")],
    ),
]
IdempotencyKeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description=(
            f"1 to {MAX_KEY} printable ASCII characters: with the same key a request takes effect once. "
            "One that contains a comma is sent in quotes, where a backslash stands before a quote or a backslash "
            "(RFC 8941, section 3.3.3). Any other value is refused (400)."
        ),
        schema_extra={"pattern": KEY_PATTERN},
        examples=[Example(value="carrinho-de-ana-1")],
    ),
]
Traceparent = Annotated[
    str,
    HeaderParameter(
        name="traceparent",
        description="W3C trace context. The gateway replaces it unless it trusts its clients with it.",
        examples=[Example(value="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
    ),
]
RESPONSE_HEADERS = (
    ResponseHeader(
        "Location", documentation_only=True, value="", required=True, description="The order: `/pedidos/{pedidoId}`."
    ),
    ResponseHeader(
        "Preference-Applied",
        documentation_only=True,
        value="",
        description="`wait=N` when `Prefer` was applied: the seconds granted.",
    ),
)


def request_context(prefer: str, idempotency_key: str | None, traceparent: str) -> RequestContext:
    """The context given by these headers. Raises InvalidKeyError for a malformed key."""
    return RequestContext(parse_key(idempotency_key), trace.continued(traceparent), wait_seconds(prefer))
