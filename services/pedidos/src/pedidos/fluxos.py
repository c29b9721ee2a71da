"""REST: orders as they change, as server-sent events."""

import re
from typing import NamedTuple

from litestar import get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.response.base import ASGIResponse

from pedidos.acompanhamento import Acompanhamento
from pedidos.rotas import ClienteId, Id, procurar
from pedidos.servico import Servico
from reservaestoque.events import FINAIS
from reservaestoque.http.head import STREAM
from reservaestoque.http.problems import MALFORMED, NOT_FOUND, POSITION_LOST
from reservaestoque.streams import (
    EventStream,
    Feed,
    InvalidPositionError,
    LastEventId,
    PositionLostError,
    Streams,
    documented,
    resuming,
)

_VERSAO = re.compile("[0-9]{1,10}")


class Fluxos(NamedTuple):
    """What the streams are made of."""

    feed: Feed
    acompanhamento: Acompanhamento
    streams: Streams


@get(
    "/pedidos/eventos",
    summary="Orders as they change",
    responses=documented(
        "Events `status`: `pedidoId`, `clienteId`, `status`, `versao`, `atualizadoEm`, `expiraEm` of an order that "
        "was created or changed; from now on, or all that came after Last-Event-ID."
    ),
    opt={STREAM: True},
    problems=(MALFORMED, POSITION_LOST),
)
async def eventos(
    fluxos: NamedDependency[Fluxos], cliente_id: ClienteId = None, last_event_id: LastEventId = ""
) -> ASGIResponse:
    """A stream of all changes, or of one customer's. Raises ProblemError: 400, 410 for the id, 503."""
    fluxos.streams.admit()
    with resuming():
        inicio = await fluxos.feed.begin(last_event_id)
    return EventStream(fluxos.streams, fluxos.feed.follow(inicio, cliente_id))


@get(
    "/pedidos/{pedido_id:str}/eventos",
    summary="An order as it changes",
    responses=documented(
        "Events `status`: the order as `GET /pedidos/{id}` shows it, now and whenever its `versao` rises, which is "
        "the event's id. Ends with the order's final status; asked for again then: 204."
    )
    | {204: ResponseSpec(None, description="The order has ended, and Last-Event-ID is its end.")},
    opt={STREAM: True},
    problems=(MALFORMED, NOT_FOUND, POSITION_LOST),
)
async def eventos_do_pedido(
    servico: NamedDependency[Servico], fluxos: NamedDependency[Fluxos], pedido_id: Id, last_event_id: LastEventId = ""
) -> ASGIResponse:
    """A stream of one order. Raises ProblemError: 404 unknown, 400, 410 for the id, 503."""
    fluxos.streams.admit()
    with resuming():
        visto = _versao(last_event_id)
        pedido = await procurar(servico, pedido_id)
        if pedido.status in FINAIS and visto >= pedido.versao:
            return ASGIResponse(status_code=204)
        if visto > pedido.versao:
            raise PositionLostError(f"there is no version {visto} of this order")
    return EventStream(fluxos.streams, fluxos.acompanhamento.seguir(pedido.pedido_id, visto))


def _versao(last_event_id: str) -> int:
    """The version that was seen last, -1 for none. Raises InvalidPositionError."""
    if not last_event_id:
        return -1
    if not _VERSAO.fullmatch(last_event_id):
        raise InvalidPositionError("an event id of this stream is the order's `versao`, a number")
    return int(last_event_id)


FLUXOS = (eventos, eventos_do_pedido)
