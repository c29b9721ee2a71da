"""REST: create orders, read them."""

from typing import Annotated
from uuid import UUID

from litestar import Response, get, post
from litestar.params import Parameter

from pedidos.pedido import DemasiadoError, NovoPedido, Pedido, StatusDoPedido, somar
from pedidos.prefer import wait_seconds
from pedidos.registro import LotadoError
from pedidos.servico import Servico
from reservaestoque.events import Status
from reservaestoque.http import JsonBody, ProblemError
from reservaestoque.http.problems import INVALID, NOT_FOUND, UNAVAILABLE
from reservaestoque.telemetry import trace

Prefer = Annotated[
    str, Parameter(header="Prefer", description="`wait=N`: wait up to N seconds, 30 at most, for the decision.")
]
Traceparent = Annotated[str, Parameter(header="traceparent", description="W3C trace context.")]


_novo = JsonBody(NovoPedido)


@post("/pedidos", status_code=202, summary="Create an order", operation_class=_novo.operation)
async def criar(
    servico: Servico, body: bytes, prefer: Prefer = "", traceparent: Traceparent = ""
) -> Response[Pedido]:
    """202 and the order as `Criado`; with ``Prefer: wait=N`` 201 and the decision, or 202 when N seconds are over.

    Raises ProblemError: 400 and 422 for a body that is wrong, 503 when too many orders wait already.
    """
    novo = _novo.read(body)
    try:
        itens = somar(novo.itens)
        espera = wait_seconds(prefer)
        pedido = await servico.criar(novo.cliente_id, itens, trace.continued(traceparent), espera)
    except DemasiadoError as error:
        raise ProblemError(INVALID, str(error)) from error
    except LotadoError as error:
        raise ProblemError(UNAVAILABLE, f"too many orders at once: {error}; try again shortly") from error
    headers = {"Location": f"/pedidos/{pedido.pedido_id}"}
    if espera:
        headers["Preference-Applied"] = f"wait={espera}"
    decidido = pedido.status != Status.CRIADO
    return Response(pedido, status_code=201 if decidido else 202, headers=headers)


@get("/pedidos/{pedido_id:str}", summary="An order")
async def obter(servico: Servico, pedido_id: str) -> Pedido:
    """The order. Raises ProblemError (404) when there is none."""
    return await _obter(servico, pedido_id)


@get("/pedidos/{pedido_id:str}/status", summary="The status of an order")
async def obter_status(servico: Servico, pedido_id: str) -> StatusDoPedido:
    """The status of the order. Raises ProblemError (404) when there is none."""
    return _status(await _obter(servico, pedido_id))


@get("/statusPedido", summary="The status of an order, as existing clients ask for it")
async def status_pedido(
    servico: Servico, pedido_id: Annotated[str, Parameter(query="pedidoId", description="The order's id.")]
) -> StatusDoPedido:
    """The status of the order. Raises ProblemError (404) when there is none."""
    return _status(await _obter(servico, pedido_id))


async def _obter(servico: Servico, texto: str) -> Pedido:
    try:
        pedido = await servico.obter(UUID(texto))
    except ValueError:
        pedido = None
    if pedido is None:
        raise ProblemError(NOT_FOUND, f"there is no order {texto[:64]!r}")
    return pedido


def _status(pedido: Pedido) -> StatusDoPedido:
    return StatusDoPedido(pedido.pedido_id, pedido.status)


ROTAS = (criar, obter, obter_status, status_pedido)
