"""What pedidos asks of estoque. An order may name 1 to 100 different SKUs; repeated ones arrive summed."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from reservaestoque.events.cloudevent import CloudEvent

# `$` alone would let a final line feed pass (Python's re); with the look-ahead it means the same in ECMAScript.
SKU_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)"
MAX_ITENS = 100
MAX_QUANTIDADE = 1_000_000

Sku = Annotated[str, Meta(pattern=SKU_PATTERN, max_length=64)]
Quantidade = Annotated[int, Meta(ge=1, le=MAX_QUANTIDADE)]


class _Dados(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    pedido_id: UUID


class Item(msgspec.Struct, frozen=True):
    """So many units of one SKU."""

    sku: Sku
    quantidade: Quantidade


class DadosDoPedido(_Dados, frozen=True):
    """A whole order."""

    cliente_id: str
    itens: Annotated[list[Item], Meta(min_length=1, max_length=MAX_ITENS)]


class ItensDoPedido(_Dados, frozen=True):
    """An order's items, repeated with the command because it may overtake PedidoCriado."""

    itens: Annotated[list[Item], Meta(min_length=1, max_length=MAX_ITENS)]


class PedidoCancelado(_Dados, frozen=True):
    """Which order to cancel; its items do not matter."""


class PedidoCriado(CloudEvent, tag=True, kw_only=True, frozen=True):
    """An order was accepted for decision: reserve all of its items, or none."""

    id: UUID
    data: DadosDoPedido


class FecharPedido(CloudEvent, tag=True, kw_only=True, frozen=True):
    """Turn the reserved units into sold ones; check the stock anew if the reservation has lapsed."""

    id: UUID
    data: ItensDoPedido


class CancelarPedido(CloudEvent, tag=True, kw_only=True, frozen=True):
    """Give the units back and end the order."""

    id: UUID
    data: PedidoCancelado


class ReservarPedido(CloudEvent, tag=True, kw_only=True, frozen=True):
    """Renew a lapsed reservation: a new check of the stock, a new time limit."""

    id: UUID
    data: ItensDoPedido


Comando = PedidoCriado | FecharPedido | CancelarPedido | ReservarPedido
