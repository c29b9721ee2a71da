"""One event of each type as our encoder writes it, all about one order that is reserved, lapses and ends."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from reservaestoque.events import (
    AtualizarStatus,
    CancelarPedido,
    CloudEvent,
    FecharPedido,
    Item,
    ItemEmFalta,
    ItensDoPedido,
    Motivo,
    PedidoCancelado,
    PedidoCriado,
    PedidoData,
    ReservarPedido,
    Status,
    StatusAtualizado,
    encode_batches,
)

_PEDIDO_ID = UUID("019ab3f2-7c00-7000-8000-0000000000a1")
_INSTANT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
_ITENS = [Item("CAMISETA-AZUL-M", 2), Item("CAFE-ESPECIAL-250G", 1)]


def _envelope(number: int, program: str) -> dict[str, Any]:
    return {
        "id": UUID(f"019ab3f2-7c00-7000-8000-{number:012x}"),
        "source": f"/reservaestoque/{program}",
        "subject": _PEDIDO_ID,
        "time": _INSTANT + timedelta(minutes=number),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


def _status() -> AtualizarStatus:
    missing = ItemEmFalta("CAMISETA-AZUL-M", 2, 1, Motivo.SALDO_INSUFICIENTE)
    causa = _envelope(2, "pedidos")["id"]
    data = StatusAtualizado(
        pedido_id=_PEDIDO_ID,
        status=Status.ESTOQUE_NAO_DISPONIVEL,
        versao=3,
        causa=causa,
        itens_em_falta=[missing],
    )
    return AtualizarStatus(**_envelope(4, "estoque") | {"id": f"{_PEDIDO_ID}:3"}, data=data)


EVENTS: tuple[CloudEvent, ...] = (
    PedidoCriado(**_envelope(1, "pedidos"), data=PedidoData(pedido_id=_PEDIDO_ID, cliente_id="ana", itens=_ITENS)),
    FecharPedido(**_envelope(2, "pedidos"), data=ItensDoPedido(pedido_id=_PEDIDO_ID, itens=_ITENS)),
    CancelarPedido(**_envelope(3, "pedidos"), data=PedidoCancelado(pedido_id=_PEDIDO_ID)),
    ReservarPedido(**_envelope(5, "pedidos"), data=ItensDoPedido(pedido_id=_PEDIDO_ID, itens=_ITENS)),
    _status(),
)


def examples() -> dict[str, list[Any]]:
    """Maps each event type to an example message body: encoded by our encoder, parsed as plain JSON."""
    return {event_type: json.loads(body) for event_type, body in encode_batches(EVENTS)}
