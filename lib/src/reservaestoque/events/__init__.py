"""The events that pedidos and estoque exchange: CloudEvents 1.0, always in batches. Pure: no I/O here."""

from reservaestoque.events.batch import CONTENT_TYPE, UNREADABLE, Decoder, Rejected, encode_batches, pack
from reservaestoque.events.cloudevent import CloudEvent, new_id
from reservaestoque.events.estoque import AtualizarStatus, ItemEmFalta, Motivo, StatusAtualizado
from reservaestoque.events.pedidos import (
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
from reservaestoque.events.status import FINAL_STATUSES, Status

__all__ = [
    "CONTENT_TYPE",
    "FINAL_STATUSES",
    "UNREADABLE",
    "AtualizarStatus",
    "CancelarPedido",
    "CloudEvent",
    "Comando",
    "Decoder",
    "FecharPedido",
    "Item",
    "ItemEmFalta",
    "ItensDoPedido",
    "Motivo",
    "PedidoCancelado",
    "PedidoCriado",
    "PedidoData",
    "Rejected",
    "ReservarPedido",
    "Status",
    "StatusAtualizado",
    "encode_batches",
    "new_id",
    "pack",
]
