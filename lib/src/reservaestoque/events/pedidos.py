"""Commands from pedidos to estoque. An order may name 1 to 100 different SKUs; repeated ones arrive summed."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from reservaestoque.events.cloudevent import CloudEvent, EventId

# `$` alone would let a trailing line feed pass (Python's re); with the look-ahead it means the same in ECMAScript.
SKU_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$(?!\n)"
MAX_ITENS = 100
MAX_QUANTIDADE = 1_000_000

Sku = Annotated[
    str,
    Meta(
        pattern=SKU_PATTERN,
        max_length=64,
        description="1 to 64 letters, digits, `.`, `_` and `-`; begins with a letter or a digit.",
        examples=["CAMISETA-AZUL-M"],
    ),
]
Quantidade = Annotated[int, Meta(ge=1, le=MAX_QUANTIDADE, description="Units of the SKU.", examples=[2])]
PedidoId = Annotated[
    UUID, Meta(description="The order's id, a UUIDv7.", examples=["019ab3f2-7c00-7000-8000-0000000000a1"])
]
ITENS = Meta(min_length=1, max_length=MAX_ITENS, description=f"1 to {MAX_ITENS} items.")


MAX_VERSAO = 1_000_000_000
"""The highest version that a command may claim, so that the order's later versions still fit into 32 bits."""


class _Data(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    pedido_id: PedidoId
    versao_conhecida: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_VERSAO,
            description="The newest version that pedidos has of the order; the answer has a higher one.",
        ),
    ] = 0


class Item(msgspec.Struct, frozen=True):
    """A number of units of one SKU."""

    sku: Sku
    quantidade: Quantidade


class PedidoData(_Data, frozen=True):
    """A whole order."""

    cliente_id: Annotated[str, Meta(description="The customer.", examples=["ana"])]
    itens: Annotated[list[Item], ITENS]


class ItensDoPedido(_Data, frozen=True):
    """An order's items, repeated with the command because it may overtake PedidoCriado."""

    itens: Annotated[list[Item], ITENS]


class PedidoCancelado(_Data, frozen=True):
    """The order to cancel; its items do not matter."""

    versao: (
        Annotated[
            int,
            Meta(ge=1, le=2**31 - 1, description="Applies only while the order has no newer version; null: always."),
        ]
        | None
    ) = None


class PedidoCriado(CloudEvent, tag=True, kw_only=True, frozen=True):
    """An order was accepted for decision: reserve all of its items, or none."""

    id: EventId
    data: PedidoData


class FecharPedido(CloudEvent, tag=True, kw_only=True, frozen=True):
    """Turn the reserved units into sold ones; check the stock again if the reservation has lapsed."""

    id: EventId
    data: ItensDoPedido


class CancelarPedido(CloudEvent, tag=True, kw_only=True, frozen=True):
    """Give the units back and end the order."""

    id: EventId
    data: PedidoCancelado


class ReservarPedido(CloudEvent, tag=True, kw_only=True, frozen=True):
    """Renew a lapsed reservation: a new check of the stock, a new time limit."""

    id: EventId
    data: ItensDoPedido


Comando = PedidoCriado | FecharPedido | CancelarPedido | ReservarPedido
