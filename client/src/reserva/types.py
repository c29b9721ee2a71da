"""The values of the API: orders, balances, changes. Pure.

Unknown fields are ignored, and an unknown status or reason is passed through, so that a client and a system of
different releases can work together.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

import msgspec


class _OpenEnum(StrEnum):
    """An enumeration that accepts values of later releases; those have no member."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown


class Status(_OpenEnum):
    """The status of an order."""

    CRIADO = "Criado"
    ESTOQUE_RESERVADO = "EstoqueReservado"
    ESTOQUE_NAO_DISPONIVEL = "EstoqueNaoDisponivel"
    RESERVA_EXPIRADA = "ReservaExpirada"
    FECHADO = "Fechado"
    CANCELADO = "Cancelado"

    @property
    def final(self) -> bool:
        """Whether the order has ended."""
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({Status.ESTOQUE_NAO_DISPONIVEL, Status.FECHADO, Status.CANCELADO})


class Motivo(_OpenEnum):
    """The reason for which an item could not be reserved."""

    SALDO_INSUFICIENTE = "SaldoInsuficiente"
    SKU_DESCONHECIDO = "SkuDesconhecido"
    ITEM_PAUSADO = "ItemPausado"


Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class _Struct(msgspec.Struct, frozen=True, rename="camel"):
    """A value whose fields are named as in the API."""


class Item(_Struct, frozen=True):
    """Units of one SKU."""

    sku: str
    quantidade: int


Itens = Mapping[str, int] | Iterable[Item]
"""Units to order: `{"CAMISETA-AZUL-M": 2}`, or items."""


class ItemEmFalta(_Struct, frozen=True):
    """An item that could not be reserved; `disponivel` is what was available at that instant."""

    sku: str
    solicitado: int
    disponivel: int
    motivo: Motivo


class Pedido(_Struct, frozen=True):
    """An order; of two views of it, the one with the higher `versao` is newer."""

    pedido_id: UUID
    cliente_id: str
    status: Status
    itens: tuple[Item, ...]
    itens_em_falta: tuple[ItemEmFalta, ...]
    criado_em: Instant
    atualizado_em: Instant
    expira_em: Instant | None
    versao: int

    @property
    def decided(self) -> bool:
        """Whether the stock has been checked; False only shortly after its creation."""
        return self.status != Status.CRIADO


class PedidoPage(_Struct, frozen=True):
    """Orders, newest first; `proximo` is the cursor of the next page, None on the last."""

    itens: tuple[Pedido, ...]
    proximo: UUID | None


class StatusDoPedido(_Struct, frozen=True):
    """The status of an order."""

    pedido_id: UUID
    status: Status


class MudancaDoPedido(_Struct, frozen=True):
    """An order that was created or changed, as the stream of all orders reports it."""

    pedido_id: UUID
    cliente_id: str
    status: Status
    versao: int
    atualizado_em: Instant
    expira_em: Instant | None


class Saldo(_Struct, frozen=True):
    """The balance of a SKU in units: disponivel = quantidade - reservado - vendido."""

    sku: str
    nome: str
    quantidade: int
    reservado: int
    vendido: int
    disponivel: int


class SaldoPage(_Struct, frozen=True):
    """Balances in SKU order; `proximo` is the cursor of the next page, None on the last."""

    itens: tuple[Saldo, ...]
    proximo: str | None


class Consulta(_Struct, frozen=True):
    """The balances of the requested SKUs, and the unknown ones among them."""

    itens: tuple[Saldo, ...]
    desconhecidos: tuple[str, ...]


class SkuEncerrado(_Struct, frozen=True):
    """A SKU that is no longer offered."""

    sku: str


def to_items(itens: Itens) -> list[Item]:
    """The items, as a list."""
    if isinstance(itens, Mapping):
        return [Item(sku, quantidade) for sku, quantidade in itens.items()]
    return list(itens)
