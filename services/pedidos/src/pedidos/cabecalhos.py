"""The request headers that orders and commands come with."""

from typing import Annotated

from litestar.params import Parameter

from pedidos.comando import ChaveInvalidaError, ler_chave
from pedidos.prefer import wait_seconds
from pedidos.servico import Contexto
from reservaestoque.http import ProblemError
from reservaestoque.http.problems import MALFORMED
from reservaestoque.telemetry import trace

Prefer = Annotated[
    str, Parameter(header="Prefer", description="`wait=N`: wait up to N seconds, 30 at most, for the outcome.")
]
IdempotencyKey = Annotated[
    str,
    Parameter(
        header="Idempotency-Key",
        description="1 to 128 printable ASCII characters. The same key with the same body does nothing twice.",
    ),
]
Traceparent = Annotated[str, Parameter(header="traceparent", description="W3C trace context.")]


def contexto(prefer: str, idempotency_key: str, traceparent: str) -> Contexto:
    """What these headers say. Raises ProblemError (400) for a key that is none."""
    try:
        chave = ler_chave(idempotency_key)
    except ChaveInvalidaError as error:
        raise ProblemError(MALFORMED, str(error)) from error
    return Contexto(chave, trace.continued(traceparent), wait_seconds(prefer))
