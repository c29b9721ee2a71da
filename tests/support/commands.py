"""Commands to estoque, as pedidos would send them."""

from datetime import UTC, datetime
from uuid import UUID

from reservaestoque.events import (
    CancelarPedido,
    FecharPedido,
    Item,
    ItensDoPedido,
    PedidoCancelado,
    PedidoCriado,
    PedidoData,
    ReservarPedido,
    new_id,
)


def criar(pedido_id: UUID | None = None, **itens: int) -> PedidoCriado:
    pedido_id = pedido_id or new_id()
    data = PedidoData(pedido_id=pedido_id, cliente_id="ana", itens=_itens(itens))
    return PedidoCriado(**_envelope(pedido_id), data=data)


def fechar(pedido_id: UUID, **itens: int) -> FecharPedido:
    return FecharPedido(**_envelope(pedido_id), data=ItensDoPedido(pedido_id=pedido_id, itens=_itens(itens)))


def reservar(pedido_id: UUID, **itens: int) -> ReservarPedido:
    return ReservarPedido(**_envelope(pedido_id), data=ItensDoPedido(pedido_id=pedido_id, itens=_itens(itens)))


def cancelar(pedido_id: UUID) -> CancelarPedido:
    return CancelarPedido(**_envelope(pedido_id), data=PedidoCancelado(pedido_id=pedido_id))


def _itens(itens: dict[str, int]) -> list[Item]:
    return [Item(sku, quantidade) for sku, quantidade in itens.items()]


def _envelope(pedido_id: UUID) -> dict[str, object]:
    return {"id": new_id(), "source": "/tests", "subject": pedido_id, "time": datetime.now(UTC)}
