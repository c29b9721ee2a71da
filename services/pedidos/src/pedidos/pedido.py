"""Orders as customers write and read them. Pure: no I/O, no clock."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from reservaestoque.events import Item, ItemEmFalta, Status
from reservaestoque.events.pedidos import ITENS, MAX_QUANTIDADE, PedidoId

MAX_PAGE = 200
MAX_PAGE_LINES = 2000
"""A page ends with the order that reaches this many lines, missing ones included: about 300 KB at most, not 5 MB."""

ID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
"""The canonical, lower-case text of an id (RFC 9562, section 4), so that an order has one address."""

CLIENTE_PATTERN = r"^[\x20-\x7e]{1,128}$(?!\n)"

ClienteId = Annotated[
    str,
    Meta(
        pattern=CLIENTE_PATTERN,
        max_length=128,
        description="The customer: 1 to 128 printable ASCII characters.",
        examples=["ana"],
    ),
]


class OrderRequest(msgspec.Struct, frozen=True, rename="camel"):
    """A customer's order. Lines with the same SKU are summed."""

    cliente_id: ClienteId
    itens: Annotated[list[Item], ITENS]


class CommandBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a command is empty: the path says it all. So a key never comes with a different body."""


class Pedido(msgspec.Struct, frozen=True, rename="camel"):
    """An order with its current status."""

    pedido_id: PedidoId
    cliente_id: Annotated[str, Meta(description="The customer.", examples=["ana"])]
    status: Status
    itens: Annotated[list[Item], Meta(description="The ordered items, each SKU once.")]
    itens_em_falta: Annotated[list[ItemEmFalta], Meta(description="The items that could not be reserved.")]
    criado_em: Annotated[datetime, Meta(description="The time at which the order was accepted, UTC.")]
    atualizado_em: Annotated[datetime, Meta(description="The time of its last change of status, UTC.")]
    expira_em: (
        Annotated[
            datetime, Meta(description="The time at which the reservation expires; null without a reservation.")
        ]
        | None
    )
    versao: Annotated[int, Meta(description="Of two views of the order, the one with the higher number is newer.")]


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """estoque's last report on an order: the fields that can change, and the command answered (`causa`)."""

    causa: UUID | None
    recusa: str | None
    status: Status
    versao: int
    itens_em_falta: list[ItemEmFalta]
    expira_em: datetime | None
    atualizado_em: datetime

    def of(self, pedido: Pedido) -> Pedido:
        """The order with this snapshot; fields that cannot change come from `pedido`."""
        return Pedido(
            pedido_id=pedido.pedido_id,
            cliente_id=pedido.cliente_id,
            status=self.status,
            itens=pedido.itens,
            itens_em_falta=self.itens_em_falta,
            criado_em=pedido.criado_em,
            atualizado_em=self.atualizado_em,
            expira_em=self.expira_em,
            versao=self.versao,
        )


class PedidoPage(msgspec.Struct, frozen=True):
    """Orders, the newest first; `proximo` is the cursor of the next page, null on the last."""

    itens: list[Pedido]
    proximo: Annotated[UUID, Meta(description="The cursor of the next page; null on the last.")] | None


class StatusDoPedido(msgspec.Struct, frozen=True, rename="camel"):
    """The status of an order."""

    pedido_id: PedidoId
    status: Status


_ID = re.compile(ID_PATTERN)


def parse_id(text: str) -> UUID | None:
    """The id with this canonical text; None for any other text, even one that Python parses as the same id."""
    return UUID(text) if _ID.fullmatch(text) else None


class TooManyUnitsError(ValueError):
    """The sum of the units of one SKU exceeds what an order may request."""


def merge_items(itens: Sequence[Item]) -> list[Item]:
    """Each SKU once, in the order first named. Raises TooManyUnitsError above 1,000,000 units of one SKU."""
    sums: dict[str, int] = {}
    for item in itens:
        sums[item.sku] = sums.get(item.sku, 0) + item.quantidade
    for sku, quantidade in sums.items():
        if quantidade > MAX_QUANTIDADE:
            raise TooManyUnitsError(
                f"{quantidade} units of {sku} in all: an order has at most {MAX_QUANTIDADE} units of a SKU"
            )
    return [Item(sku, quantidade) for sku, quantidade in sums.items()]
