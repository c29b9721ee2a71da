"""Orders as customers write and read them. Pure: no I/O, no clock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from reservaestoque.events import Item, ItemEmFalta, Status
from reservaestoque.events.pedidos import MAX_ITENS, MAX_QUANTIDADE

MAX_LIMITE = 200

ClienteId = Annotated[
    str,
    Meta(
        pattern=r"^[\x20-\x7e]{1,128}$(?!\n)",
        max_length=128,
        description="Who orders: 1 to 128 printable ASCII characters.",
    ),
]


class NovoPedido(msgspec.Struct, frozen=True, rename="camel"):
    """What a customer asks for. A SKU that is named twice counts once, with the sum."""

    cliente_id: ClienteId
    itens: Annotated[list[Item], Meta(min_length=1, max_length=MAX_ITENS)]


class Pedido(msgspec.Struct, frozen=True, rename="camel"):
    """An order and what became of it. `expira_em` is there while its units are reserved."""

    pedido_id: UUID
    cliente_id: str
    status: Status
    itens: list[Item]
    itens_em_falta: list[ItemEmFalta]
    criado_em: datetime
    atualizado_em: datetime
    expira_em: datetime | None
    versao: int


class Pagina(msgspec.Struct, frozen=True):
    """Orders, the newest first; `proximo` is the cursor of the next page, null on the last."""

    itens: list[Pedido]
    proximo: UUID | None


class StatusDoPedido(msgspec.Struct, frozen=True, rename="camel"):
    """An order's status in short."""

    pedido_id: UUID
    status: Status


class DemasiadoError(ValueError):
    """The units of one SKU, summed, are more than an order may ask for."""


def somar(itens: Sequence[Item]) -> list[Item]:
    """Each SKU once, in the order first named. Raises DemasiadoError above 1,000,000 units of one SKU."""
    somas: dict[str, int] = {}
    for item in itens:
        somas[item.sku] = somas.get(item.sku, 0) + item.quantidade
    for sku, quantidade in somas.items():
        if quantidade > MAX_QUANTIDADE:
            raise DemasiadoError(
                f"{quantidade} units of {sku} in all: an order has at most {MAX_QUANTIDADE} units of a SKU"
            )
    return [Item(sku, quantidade) for sku, quantidade in somas.items()]
