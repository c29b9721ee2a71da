"""Outgoing events: what a fact of the outbox is published as."""

import asyncpg
import msgspec

from reservaestoque.events import (
    CancelarPedido,
    Comando,
    FecharPedido,
    Item,
    ItensDoPedido,
    PedidoCancelado,
    PedidoCriado,
    PedidoData,
    ReservarPedido,
)
from reservaestoque.events.pedidos import MAX_VERSAO
from reservaestoque.outbox import UnknownFactError

SOURCE = "/reservaestoque/pedidos"

_decode_items = msgspec.json.Decoder(list[Item]).decode


def to_event(fact: asyncpg.Record) -> Comando:
    """The event of a row of `outbox` joined with its command and its order.

    Raises UnknownFactError when only another release knows its type, or the form of its items.
    """
    envelope = {
        "id": fact["comando_id"],
        "source": SOURCE,
        "subject": fact["pedido_id"],
        "time": fact["criado_em"],
        "traceparent": fact["traceparent"] or msgspec.UNSET,
    }
    pedido = {"pedido_id": fact["pedido_id"], "versao_conhecida": min(fact["versao"], MAX_VERSAO)}
    try:
        itens = _decode_items(fact["itens"])
    except msgspec.ValidationError as error:
        raise UnknownFactError(f"the items of an order: {error}") from error
    match fact["tipo"]:
        case "PedidoCriado":
            created = PedidoData(cliente_id=fact["cliente_id"], itens=itens, **pedido)
            return PedidoCriado(data=created, **envelope)
        case "FecharPedido":
            return FecharPedido(data=ItensDoPedido(itens=itens, **pedido), **envelope)
        case "ReservarPedido":
            return ReservarPedido(data=ItensDoPedido(itens=itens, **pedido), **envelope)
        case "CancelarPedido":
            return CancelarPedido(data=PedidoCancelado(versao=fact["se_versao"], **pedido), **envelope)
        case tipo:
            raise UnknownFactError(f"a command of type {tipo!r}")
