"""The event that a fact of the outbox becomes."""

import asyncpg
import msgspec

from reservaestoque.events import (
    CancelarPedido,
    Comando,
    DadosDoPedido,
    FecharPedido,
    Item,
    ItensDoPedido,
    PedidoCancelado,
    PedidoCriado,
    ReservarPedido,
)
from reservaestoque.outbox import UnknownFactError

SOURCE = "/reservaestoque/pedidos"

_ler_itens = msgspec.json.Decoder(list[Item]).decode


def comando(fato: asyncpg.Record) -> Comando:
    """The event of a row of `outbox` joined with its command and its order.

    Raises UnknownFactError when its type, or its items, are such as only another release knows.
    """
    envelope = {
        "id": fato["comando_id"],
        "source": SOURCE,
        "subject": fato["pedido_id"],
        "time": fato["criado_em"],
        "traceparent": fato["traceparent"] or msgspec.UNSET,
    }
    pedido_id = fato["pedido_id"]
    try:
        itens = _ler_itens(fato["itens"])
    except msgspec.ValidationError as error:
        raise UnknownFactError(f"the items of an order: {error}") from error
    match fato["tipo"]:
        case "PedidoCriado":
            dados = DadosDoPedido(pedido_id=pedido_id, cliente_id=fato["cliente_id"], itens=itens)
            return PedidoCriado(data=dados, **envelope)
        case "FecharPedido":
            return FecharPedido(data=ItensDoPedido(pedido_id=pedido_id, itens=itens), **envelope)
        case "ReservarPedido":
            return ReservarPedido(data=ItensDoPedido(pedido_id=pedido_id, itens=itens), **envelope)
        case "CancelarPedido":
            return CancelarPedido(data=PedidoCancelado(pedido_id=pedido_id, versao=fato["se_versao"]), **envelope)
        case tipo:
            raise UnknownFactError(f"a command of type {tipo!r}")
