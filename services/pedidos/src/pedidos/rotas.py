"""REST: create orders, command them, read them."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter, RawBody

from pedidos.cabecalhos import DA_RESPOSTA, IdempotencyKey, Prefer, Traceparent, contexto
from pedidos.comando import ChaveInvalidaError, ChaveReutilizadaError, KeyBusyError, Tipo, explicar
from pedidos.pedido import (
    CLIENTE_PATTERN,
    MAX_LIMITE,
    CorpoDeComando,
    DemasiadoError,
    NovoPedido,
    Pagina,
    Pedido,
    StatusDoPedido,
    somar,
)
from pedidos.registro import LotadoError
from pedidos.repositorio import Andamento
from pedidos.servico import Contexto, EncerradoError, Servico
from reservaestoque.events import Status
from reservaestoque.http import JsonBody, ProblemError, conditional_get
from reservaestoque.http.answer import JsonAnswer
from reservaestoque.http.problems import CONFLICT, INVALID, KEY_REUSED, MALFORMED, NOT_FOUND, UNAVAILABLE

ClienteId = Annotated[
    str | None, QueryParameter(name="clienteId", pattern=CLIENTE_PATTERN, max_length=128, description="Whose orders.")
]
PorStatus = Annotated[Status | None, QueryParameter(name="status", description="Orders with this status.")]
Cursor = Annotated[UUID | None, QueryParameter(description="`proximo` of the page before.")]
Limite = Annotated[int, QueryParameter(ge=1, le=MAX_LIMITE, description="How many orders a page has at most.")]

Id = Annotated[str, PathParameter(description="The order's id.")]

_novo = JsonBody(NovoPedido)
_comando = JsonBody(CorpoDeComando, absent=CorpoDeComando())
_DECIDIDO = ResponseSpec(Pedido, generate_examples=False, description="With `Prefer: wait`: the order, decided.")
_RESPONDIDO = ResponseSpec(Pedido, generate_examples=False, description="With `Prefer: wait`: what became of it.")
_ACEITO = "Accepted; what becomes of it is not known yet."
_DO_COMANDO = (MALFORMED, NOT_FOUND, CONFLICT, KEY_REUSED)


@post(
    "/pedidos",
    status_code=202,
    summary="Create an order",
    operation_class=_novo.operation,
    response_description=_ACEITO,
    response_headers=DA_RESPOSTA,
    responses={201: _DECIDIDO},
    problems=(KEY_REUSED,),
)
async def criar(
    servico: NamedDependency[Servico],
    body: RawBody,
    prefer: Prefer = "",
    idempotency_key: IdempotencyKey = None,
    traceparent: Traceparent = "",
) -> Response[Pedido]:
    """202 and the order as `Criado`; with ``Prefer: wait=N`` 201 and the decision, or 202 after N seconds.

    Raises ProblemError (400, 422) for a body that is wrong, and the errors in PROBLEMAS.
    """
    novo = _novo.read(body)
    pedido_com = contexto(prefer, idempotency_key, traceparent)
    andamento = await servico.criar(novo.cliente_id, somar(novo.itens), pedido_com)
    decidido = andamento.pedido.status != Status.CRIADO
    return _resposta(andamento, pedido_com, 201 if decidido else 202)


@post(
    "/pedidos/{pedido_id:str}/fechar",
    status_code=202,
    summary="Close an order: its units are sold",
    operation_class=_comando.operation,
    response_description=_ACEITO,
    response_headers=DA_RESPOSTA,
    responses={200: _RESPONDIDO},
    problems=_DO_COMANDO,
)
async def fechar(
    servico: NamedDependency[Servico],
    pedido_id: Id,
    body: RawBody,
    prefer: Prefer = "",
    idempotency_key: IdempotencyKey = None,
    traceparent: Traceparent = "",
) -> Response[Pedido]:
    """Units still reserved become sold ones; after their time a new check of the stock decides."""
    _comando.read(body)
    return await _comandar(servico, contexto(prefer, idempotency_key, traceparent), pedido_id, Tipo.FECHAR)


@post(
    "/pedidos/{pedido_id:str}/cancelar",
    status_code=202,
    summary="Cancel an order: its units are free again",
    operation_class=_comando.operation,
    response_description=_ACEITO,
    response_headers=DA_RESPOSTA,
    responses={200: _RESPONDIDO},
    problems=_DO_COMANDO,
)
async def cancelar(
    servico: NamedDependency[Servico],
    pedido_id: Id,
    body: RawBody,
    prefer: Prefer = "",
    idempotency_key: IdempotencyKey = None,
    traceparent: Traceparent = "",
) -> Response[Pedido]:
    """Ends the order, whether its reservation holds or has lapsed."""
    _comando.read(body)
    return await _comandar(servico, contexto(prefer, idempotency_key, traceparent), pedido_id, Tipo.CANCELAR)


@post(
    "/pedidos/{pedido_id:str}/reservar",
    status_code=202,
    summary="Renew a reservation that has lapsed",
    operation_class=_comando.operation,
    response_description=_ACEITO,
    response_headers=DA_RESPOSTA,
    responses={200: _RESPONDIDO},
    problems=_DO_COMANDO,
)
async def reservar(
    servico: NamedDependency[Servico],
    pedido_id: Id,
    body: RawBody,
    prefer: Prefer = "",
    idempotency_key: IdempotencyKey = None,
    traceparent: Traceparent = "",
) -> Response[Pedido]:
    """A new check of the stock and a new time limit; 409 while the reservation still holds."""
    _comando.read(body)
    return await _comandar(servico, contexto(prefer, idempotency_key, traceparent), pedido_id, Tipo.RESERVAR)


@get("/pedidos", summary="Orders, the newest first, page by page", response_description="A page of orders.")
async def listar(
    servico: NamedDependency[Servico],
    cliente_id: ClienteId = None,
    status: PorStatus = None,
    cursor: Cursor = None,
    limite: Limite = 50,
) -> Pagina:
    """Orders that pass the filters, `limite` at a time."""
    pedidos = await servico.listar(cliente_id, status, cursor, limite + 1)
    pagina = pedidos[:limite]
    return Pagina(pagina, pagina[-1].pedido_id if len(pedidos) > limite else None)


@get(
    "/pedidos/{pedido_id:str}",
    summary="An order",
    response_description="The order.",
    problems=(NOT_FOUND,),
    **conditional_get(private=True),
)
async def obter(servico: NamedDependency[Servico], pedido_id: Id) -> Pedido:
    """The order as it is now. Raises ProblemError (404) when there is none."""
    return await procurar(servico, pedido_id)


@get(
    "/pedidos/{pedido_id:str}/status",
    summary="The status of an order",
    response_description="The status.",
    problems=(NOT_FOUND,),
    **conditional_get(private=True),
)
async def obter_status(servico: NamedDependency[Servico], pedido_id: Id) -> StatusDoPedido:
    """The status of the order. Raises ProblemError (404) when there is none."""
    return _status(await procurar(servico, pedido_id))


@get(
    "/statusPedido",
    summary="The status of an order, as existing clients ask for it",
    response_description="The status.",
    problems=(NOT_FOUND,),
    **conditional_get(private=True),
)
async def status_pedido(
    servico: NamedDependency[Servico],
    pedido_id: Annotated[str, QueryParameter(name="pedidoId", description="The order's id.")],
) -> StatusDoPedido:
    """The status of the order. Raises ProblemError (404) when there is none."""
    return _status(await procurar(servico, pedido_id))


async def _comandar(servico: Servico, pedido_com: Contexto, pedido_id: str, tipo: Tipo) -> Response[Pedido]:
    """202 and the order; with a wait 200 and the outcome.

    Raises ProblemError (404 unknown, 409 refused), and the errors in PROBLEMAS.
    """
    pedido = await procurar(servico, pedido_id)
    andamento = await servico.comandar(pedido, tipo, pedido_com)
    if andamento.recusa:
        status = andamento.pedido.status
        raise ProblemError(
            CONFLICT, explicar(andamento.recusa, status), statusDoPedido=status, recusa=andamento.recusa
        )
    return _resposta(andamento, pedido_com, 200 if andamento.respondido else 202)


def _resposta(andamento: Andamento, pedido_com: Contexto, status_code: int) -> Response[Pedido]:
    headers = {"Location": f"/pedidos/{andamento.pedido.pedido_id}"}
    if pedido_com.espera:
        headers["Preference-Applied"] = f"wait={pedido_com.espera}"
    return JsonAnswer(andamento.pedido, status_code=status_code, headers=headers)


async def procurar(servico: Servico, texto: str) -> Pedido:
    """The order with that id. Raises ProblemError (404) when there is none."""
    try:
        pedido = await servico.obter(UUID(texto))
    except ValueError:
        pedido = None
    if pedido is None:
        raise ProblemError(NOT_FOUND, f"there is no order {texto[:64]!r}")
    return pedido


def _status(pedido: Pedido) -> StatusDoPedido:
    return StatusDoPedido(pedido.pedido_id, pedido.status)


ROTAS = (criar, fechar, cancelar, reservar, listar, obter, obter_status, status_pedido)

PROBLEMAS: dict[type[Exception], Callable[[Any], ProblemError]] = {
    ChaveInvalidaError: lambda error: ProblemError(MALFORMED, str(error)),
    DemasiadoError: lambda error: ProblemError(INVALID, str(error)),
    ChaveReutilizadaError: lambda error: ProblemError(KEY_REUSED, str(error)),
    EncerradoError: lambda error: ProblemError(CONFLICT, str(error), statusDoPedido=error.status),
    KeyBusyError: lambda error: ProblemError(UNAVAILABLE, f"{error}; repeat the request shortly, with the same key"),
    LotadoError: lambda error: ProblemError(UNAVAILABLE, f"too many at once: {error}; try again shortly"),
}
"""What is answered when a route, or what it calls, raises one of these."""
