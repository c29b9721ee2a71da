"""Orders and balances as estoque decides about them. Pure values: no I/O, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from reservaestoque.events import CancelarPedido, Comando, ItemEmFalta, Status

Itens = Mapping[str, int]
"""Units by SKU, in SKU order."""


class Situacao(StrEnum):
    """What may be done with a SKU (column estoque.situacao)."""

    ATIVO = "Ativo"
    PAUSADO = "Pausado"
    ENCERRANDO = "Encerrando"
    ENCERRADO = "Encerrado"


class Recusa(StrEnum):
    """Why a command changed nothing."""

    PEDIDO_ENCERRADO = "PedidoEncerrado"
    PEDIDO_JA_CONHECIDO = "PedidoJaConhecido"
    RESERVA_VIGENTE = "ReservaVigente"
    PEDIDO_MUDOU = "PedidoMudou"


class Saldo(msgspec.Struct):
    """A stock row under our lock. `livre` units can be had now; fewer than none where more are committed than the
    StockItem declares: then released units are not to be had either, supply falls instead.
    """

    livre: int
    situacao: Situacao = Situacao.ATIVO


class Pedido(msgspec.Struct, frozen=True):
    """An order as estoque knows it: the row that is in the database, or will be.

    `linhas` are the units that it holds at the moment, by SKU; a lapsed order may hold fewer than its items.
    `atualizado_em` is when the row was written, None before that.
    """

    id: UUID
    status: Status
    versao: int
    itens: Itens
    itens_em_falta: tuple[ItemEmFalta, ...] = ()
    expira_em: datetime | None = None
    linhas: Itens = msgspec.field(default_factory=dict)
    atualizado_em: datetime | None = None

    def vigente(self, agora: datetime) -> bool:
        """Whether its reservation still holds: its time is not over, and all its units are there.

        A lapsed one does not, swept or not. Where units are missing others have them: it had lapsed already, whatever
        the clock says now.
        """
        return self.expira_em is not None and self.expira_em > agora and self.linhas == self.itens


class Fato(msgspec.Struct, frozen=True):
    """A snapshot to tell pedidos: the answer to the command `causa`, which changed nothing if there is a `recusa`."""

    pedido: Pedido
    causa: UUID
    recusa: Recusa | None
    traceparent: str | None


class Movimento(msgspec.Struct):
    """What a batch changes in one stock row: units reserved and sold, negative when given back."""

    reservado: int = 0
    vendido: int = 0


@dataclass(slots=True)
class Decisao:
    """All that a batch changes: orders by id, stock rows by SKU, and what to tell, in order.

    The lines of `linhas_mudadas` are not what they were: those orders' unsold lines are to be replaced.
    """

    pedidos: dict[UUID, Pedido] = field(default_factory=dict)
    movimentos: dict[str, Movimento] = field(default_factory=dict)
    linhas_mudadas: set[UUID] = field(default_factory=set)
    fatos: list[Fato] = field(default_factory=list)


def somar_itens(comando: Comando) -> Itens:
    """The units that a command asks for by SKU, in SKU order; a SKU named twice counts once, with the sum."""
    itens: dict[str, int] = {}
    if not isinstance(comando, CancelarPedido):
        for item in comando.data.itens:
            itens[item.sku] = itens.get(item.sku, 0) + item.quantidade
    return dict(sorted(itens.items()))
