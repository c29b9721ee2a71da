"""One event of each type, as our encoder writes it: the story of an order that is reserved, lapses and ends."""

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

_PEDIDO = UUID("019ab3f2-7c00-7000-8000-0000000000a1")
_INSTANTE = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
_ITENS = [Item("CAMISETA-AZUL-M", 2), Item("CAFE-ESPECIAL-250G", 1)]


def _envelope(numero: int, programa: str) -> dict[str, Any]:
    return {
        "id": UUID(f"019ab3f2-7c00-7000-8000-{numero:012x}"),
        "source": f"/reservaestoque/{programa}",
        "subject": _PEDIDO,
        "time": _INSTANTE + timedelta(minutes=numero),
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }


def _status() -> AtualizarStatus:
    falta = ItemEmFalta("CAMISETA-AZUL-M", 2, 1, Motivo.SALDO_INSUFICIENTE)
    causa = _envelope(2, "pedidos")["id"]
    dados = StatusAtualizado(
        pedido_id=_PEDIDO, status=Status.ESTOQUE_NAO_DISPONIVEL, versao=3, causa=causa, itens_em_falta=[falta]
    )
    return AtualizarStatus(**_envelope(4, "estoque") | {"id": f"{_PEDIDO}:3"}, data=dados)


EVENTOS: tuple[CloudEvent, ...] = (
    PedidoCriado(**_envelope(1, "pedidos"), data=PedidoData(pedido_id=_PEDIDO, cliente_id="ana", itens=_ITENS)),
    FecharPedido(**_envelope(2, "pedidos"), data=ItensDoPedido(pedido_id=_PEDIDO, itens=_ITENS)),
    CancelarPedido(**_envelope(3, "pedidos"), data=PedidoCancelado(pedido_id=_PEDIDO)),
    ReservarPedido(**_envelope(5, "pedidos"), data=ItensDoPedido(pedido_id=_PEDIDO, itens=_ITENS)),
    _status(),
)


def exemplos() -> dict[str, list[Any]]:
    """A message body of each event type, encoded by our encoder and read as plain JSON."""
    return {tipo: json.loads(corpo) for tipo, corpo in encode_batches(EVENTOS)}
