"""What estoque tells pedidos: a snapshot of an order, numbered by estoque."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from reservaestoque.events.cloudevent import CloudEvent
from reservaestoque.events.status import Status


class Motivo(StrEnum):
    """Why an item could not be had."""

    SALDO_INSUFICIENTE = "SaldoInsuficiente"
    SKU_DESCONHECIDO = "SkuDesconhecido"
    ITEM_PAUSADO = "ItemPausado"


class ItemEmFalta(msgspec.Struct, frozen=True):
    """An item that an order asked for and could not have; `disponivel` is what there was at that instant."""

    sku: str
    solicitado: int
    disponivel: int
    motivo: Motivo


class StatusAtualizado(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """An order as estoque sees it; of two snapshots the one with the higher `versao` is true.

    `causa` is the id of the command that this answers, absent when time was the cause; `recusa` says why the
    command changed nothing. `expira_em` is there while units are reserved.
    """

    pedido_id: UUID
    status: Status
    versao: Annotated[int, Meta(ge=1)]
    causa: UUID | None = None
    recusa: str | None = None
    expira_em: datetime | None = None
    itens_em_falta: list[ItemEmFalta] = []


class AtualizarStatus(CloudEvent, tag=True, kw_only=True, frozen=True):
    """The order's snapshot as of `data.versao`; its id is ``pedidoId:versao``."""

    id: str
    data: StatusAtualizado
