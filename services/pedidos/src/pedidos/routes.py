"""REST: create orders, command them, read them."""

from collections.abc import Callable
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter, RawBody

from pedidos.command import CommandType, InvalidKeyError, KeyBusyError, KeyReusedError, explain
from pedidos.group_commit import OverloadedError
from pedidos.headers import RESPONSE_HEADERS, IdempotencyKeyHeader, Prefer, Traceparent, request_context
from pedidos.intake import EndedError, Intake, RequestContext
from pedidos.orders import Orders
from pedidos.pedido import (
    CLIENTE_PATTERN,
    ID_PATTERN,
    MAX_PAGE,
    CommandBody,
    OrderRequest,
    Pedido,
    PedidoPage,
    StatusDoPedido,
    TooManyUnitsError,
    merge_items,
    parse_id,
)
from pedidos.reads import Outcome
from reservaestoque.events import Status
from reservaestoque.http import JsonBody, ProblemError, conditional_get
from reservaestoque.http.problems import CONFLICT, INVALID, KEY_REUSED, MALFORMED, NOT_FOUND, UNAVAILABLE
from reservaestoque.http.tuning.json_response import JsonResponse

ClienteId = Annotated[
    str | None,
    QueryParameter(
        name="clienteId", pattern=CLIENTE_PATTERN, max_length=128, description="Only this customer's orders."
    ),
]
ByStatus = Annotated[Status | None, QueryParameter(name="status", description="Only orders with this status.")]
Cursor = Annotated[
    str | None, QueryParameter(pattern=ID_PATTERN, max_length=36, description="`proximo` of the previous page.")
]
Limit = Annotated[
    int,
    QueryParameter(
        ge=1,
        le=MAX_PAGE,
        description="Maximum number of orders per page. A page of orders with many items is shorter.",
    ),
]

_ABOUT_ID = "The order's id as returned; any other spelling is unknown (404)."
_ID_SCHEMA = {"format": "uuid", "pattern": ID_PATTERN}
Id = Annotated[str, PathParameter(description=_ABOUT_ID, schema_extra=_ID_SCHEMA)]


_new_order = JsonBody(OrderRequest)
_command = JsonBody(CommandBody, absent=CommandBody())
_DECIDED = ResponseSpec(Pedido, generate_examples=False, description="With `Prefer: wait`: the decided order.")
_ANSWERED = ResponseSpec(
    Pedido, generate_examples=False, description="With `Prefer: wait`: the order after the command."
)
COMMANDS = {"fechar": CommandType.FECHAR, "cancelar": CommandType.CANCELAR, "reservar": CommandType.RESERVAR}
"""The commands to an order, by the last part of their path."""
_ACCEPTED = "Accepted; the outcome is not known yet."


@post(
    "/pedidos",
    status_code=202,
    summary="Create an order",
    operation_class=_new_order.operation,
    response_description=_ACCEPTED,
    response_headers=RESPONSE_HEADERS,
    responses={201: _DECIDED},
    problems=(KEY_REUSED,),
)
async def create_order(
    orders: NamedDependency[Orders],
    intake: NamedDependency[Intake],
    body: RawBody,
    prefer: Prefer = "",
    idempotency_key: IdempotencyKeyHeader = None,
    traceparent: Traceparent = "",
) -> Response[Pedido]:
    """202 and the order as `Criado`; with ``Prefer: wait=N`` 201 and the decision, or 202 after N seconds.

    Raises ProblemError: 400 or 422 for an invalid body, 403 for an order of another customer, and the errors in
    PROBLEMS.
    """
    return await create(orders, intake, body, request_context(prefer, idempotency_key, traceparent))


async def create(orders: Orders, intake: Intake, body: bytes, context: RequestContext) -> JsonResponse[Pedido]:
    """The answer of `create_order`; raises what it raises."""
    order = _new_order.read(body)
    orders.authorize(order.cliente_id)
    outcome = await intake.create(order.cliente_id, merge_items(order.itens), context)
    decided = outcome.pedido.status != Status.CRIADO
    return _respond(outcome, context, 201 if decided else 202)


async def command(
    orders: Orders, intake: Intake, pedido_id: str, tipo: CommandType, body: bytes, context: RequestContext
) -> JsonResponse[Pedido]:
    """The answer of a command's route; raises ProblemError (400, 404, 409) and the errors in PROBLEMS."""
    _command.read(body)
    outcome = await intake.command(await orders.find(pedido_id), tipo, context)
    if outcome.recusa:
        status = outcome.pedido.status
        raise ProblemError(CONFLICT, explain(outcome.recusa, status), statusDoPedido=status, recusa=outcome.recusa)
    return _respond(outcome, context, 200 if outcome.answered else 202)


def _command_route(name: str, summary: str, description: str) -> HTTPRouteHandler:
    """The route of a command to an order: 202 and the order; with ``Prefer: wait=N`` 200 and the outcome.

    It raises ProblemError (400 malformed, 404 unknown, 409 refused), and the errors in PROBLEMS.
    """

    @post(
        f"/pedidos/{{pedido_id:str}}/{name}",
        name=name,
        operation_id=name,
        status_code=202,
        summary=summary,
        description=description,
        operation_class=_command.operation,
        response_description=_ACCEPTED,
        response_headers=RESPONSE_HEADERS,
        responses={200: _ANSWERED},
        problems=(MALFORMED, NOT_FOUND, CONFLICT, KEY_REUSED),
    )
    async def route(
        orders: NamedDependency[Orders],
        intake: NamedDependency[Intake],
        pedido_id: Id,
        body: RawBody,
        prefer: Prefer = "",
        idempotency_key: IdempotencyKeyHeader = None,
        traceparent: Traceparent = "",
    ) -> Response[Pedido]:
        context = request_context(prefer, idempotency_key, traceparent)
        return await command(orders, intake, pedido_id, COMMANDS[name], body, context)

    return route


fechar = _command_route(
    "fechar",
    "Close an order: its units are sold",
    "Sells the reserved units; after the reservation has lapsed, a new stock check decides.",
)
cancelar = _command_route(
    "cancelar",
    "Cancel an order: its units are free again",
    "Ends the order, whether its reservation holds or has lapsed.",
)
reservar = _command_route(
    "reservar",
    "Renew a reservation that has lapsed",
    "A new stock check and a new time limit; 409 while the reservation still holds.",
)


@get("/pedidos", summary="Orders, the newest first, page by page", response_description="A page of orders.")
async def list_orders(
    orders: NamedDependency[Orders],
    cliente_id: ClienteId = None,
    status: ByStatus = None,
    cursor: Cursor = None,
    limite: Limit = 50,
) -> PedidoPage:
    """Orders that match the filters, `limite` at a time; with a token only the customer's own, unless it opens all.

    Raises ProblemError (403) for orders of another customer.
    """
    page = await orders.page(cliente_id, status, parse_id(cursor or ""), limite)
    return PedidoPage(page.orders, page.orders[-1].pedido_id if page.more else None)


@get(
    "/pedidos/{pedido_id:str}",
    summary="An order",
    response_description="The order.",
    problems=(NOT_FOUND,),
    **conditional_get(private=True),
)
async def get_order(orders: NamedDependency[Orders], pedido_id: Id) -> Pedido:
    """The order as it is now. Raises ProblemError (404) when there is none."""
    return await orders.find(pedido_id)


@get(
    "/pedidos/{pedido_id:str}/status",
    summary="The status of an order",
    response_description="The status.",
    problems=(NOT_FOUND,),
    **conditional_get(private=True),
)
async def get_status(orders: NamedDependency[Orders], pedido_id: Id) -> StatusDoPedido:
    """The status of the order. Raises ProblemError (404) when there is none."""
    return _status(await orders.find(pedido_id))


@get(
    "/statusPedido",
    summary="The status of an order, at the path that existing clients use",
    response_description="The status.",
    problems=(NOT_FOUND,),
    **conditional_get(private=True),
)
async def get_status_pedido(
    orders: NamedDependency[Orders],
    pedido_id: Annotated[str, QueryParameter(name="pedidoId", description=_ABOUT_ID, schema_extra=_ID_SCHEMA)],
) -> StatusDoPedido:
    """The status of the order. Raises ProblemError (404) when there is none."""
    return _status(await orders.find(pedido_id))


def _respond(outcome: Outcome, context: RequestContext, status_code: int) -> JsonResponse[Pedido]:
    headers = {"Location": f"/pedidos/{outcome.pedido.pedido_id}"}
    if context.wait:
        headers["Preference-Applied"] = f"wait={context.wait}"
    return JsonResponse(outcome.pedido, status_code=status_code, headers=headers)


def _status(pedido: Pedido) -> StatusDoPedido:
    return StatusDoPedido(pedido.pedido_id, pedido.status)


ROUTES = (create_order, fechar, cancelar, reservar, list_orders, get_order, get_status, get_status_pedido)

PROBLEMS: dict[type[Exception], Callable[[Any], ProblemError]] = {
    InvalidKeyError: lambda error: ProblemError(MALFORMED, str(error)),
    TooManyUnitsError: lambda error: ProblemError(INVALID, str(error)),
    KeyReusedError: lambda error: ProblemError(KEY_REUSED, str(error)),
    EndedError: lambda error: ProblemError(CONFLICT, str(error), statusDoPedido=error.status),
    KeyBusyError: lambda error: ProblemError(UNAVAILABLE, f"{error}; repeat the request shortly, with the same key"),
    OverloadedError: lambda error: ProblemError(UNAVAILABLE, f"too many at once: {error}; try again shortly"),
}
"""The answer when a route, or what it calls, raises one of these."""
