"""Orders and stock rows as estoque decides about them. Pure values: no I/O, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from reservaestoque.events import CancelarPedido, Comando, ItemEmFalta, Status

Itens = Mapping[str, int]
"""Units by SKU, in SKU order."""


class Situacao(StrEnum):
    """The state of a SKU (column estoque.situacao)."""

    ATIVO = "Ativo"
    PAUSADO = "Pausado"
    ENCERRANDO = "Encerrando"
    ENCERRADO = "Encerrado"


class Recusa(StrEnum):
    """The reason for which a command changed nothing."""

    PEDIDO_ENCERRADO = "PedidoEncerrado"
    PEDIDO_JA_CONHECIDO = "PedidoJaConhecido"
    RESERVA_VIGENTE = "ReservaVigente"
    PEDIDO_MUDOU = "PedidoMudou"


class StockRow(msgspec.Struct):
    """A stock row under our lock, with `free` units.

    `free` is negative when more units are committed than the StockItem declares. Then a released unit lowers the
    supply and does not become available.
    """

    free: int
    situacao: Situacao = Situacao.ATIVO


class Pedido(msgspec.Struct, frozen=True):
    """An order as estoque knows it: its row in the database, now or after the commit.

    `lines` are the units that it holds now, by SKU; a lapsed order may hold fewer than its items. `atualizado_em` is
    when the row was last written; None before the first write. `creation` is the event that created it, if the row
    records it.
    """

    id: UUID
    status: Status
    versao: int
    itens: Itens
    itens_em_falta: tuple[ItemEmFalta, ...] = ()
    expira_em: datetime | None = None
    lines: Itens = msgspec.field(default_factory=dict)
    atualizado_em: datetime | None = None
    creation: UUID | None = None

    def holds(self, now: datetime) -> bool:
        """Whether its reservation still holds: it has not lapsed, and it still has all its units.

        A lapsed reservation does not hold, swept or not. If units are missing, other orders have taken them: it had
        already lapsed, regardless of what the clock reads now.
        """
        return self.expira_em is not None and self.expira_em > now and self.lines == self.itens


class Fact(msgspec.Struct, frozen=True):
    """A snapshot for pedidos: the answer to the command `causa`, which changed nothing if `recusa` is set."""

    pedido: Pedido
    causa: UUID
    recusa: Recusa | None
    traceparent: str | None


class StockMovement(msgspec.Struct):
    """The change of one stock row by a batch: reserved and sold units, negative when released."""

    reservado: int = 0
    vendido: int = 0


@dataclass(slots=True)
class Decision:
    """Everything that a batch changes: orders by id, stock rows by SKU, and the facts to publish, in order.

    The unsold lines of the orders in `changed_lines` must be replaced.
    """

    pedidos: dict[UUID, Pedido] = field(default_factory=dict)
    movements: dict[str, StockMovement] = field(default_factory=dict)
    changed_lines: set[UUID] = field(default_factory=set)
    facts: list[Fact] = field(default_factory=list)


def sum_items(command: Comando) -> Itens:
    """The units that a command requests by SKU, in SKU order; a SKU named twice appears once, with the sum."""
    itens: dict[str, int] = {}
    if not isinstance(command, CancelarPedido):
        for item in command.data.itens:
            itens[item.sku] = itens.get(item.sku, 0) + item.quantidade
    return dict(sorted(itens.items()))


def demand(orders: Iterable[Itens]) -> dict[str, int]:
    """The units of each SKU that orders with these items need together."""
    units: dict[str, int] = {}
    for itens in orders:
        for sku, quantidade in itens.items():
            units[sku] = units.get(sku, 0) + quantidade
    return units
