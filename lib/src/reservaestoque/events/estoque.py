"""estoque's report to pedidos: a snapshot of an order, numbered by estoque."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from reservaestoque.events.cloudevent import CloudEvent
from reservaestoque.events.pedidos import PedidoId
from reservaestoque.events.status import Status


class Motivo(StrEnum):
    """The reason for which an item could not be reserved."""

    SALDO_INSUFICIENTE = "SaldoInsuficiente"
    SKU_DESCONHECIDO = "SkuDesconhecido"
    ITEM_PAUSADO = "ItemPausado"


class ItemEmFalta(msgspec.Struct, frozen=True):
    """An item that could not be reserved for an order; `disponivel` is what was available at that instant."""

    sku: Annotated[str, Meta(description="The requested SKU.", examples=["CAMISETA-AZUL-M"])]
    solicitado: Annotated[int, Meta(description="Units asked for, repeated lines summed.", examples=[2])]
    disponivel: Annotated[int, Meta(description="Units available at that instant.", examples=[1])]
    motivo: Motivo


class StatusAtualizado(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """An order as estoque sees it; of two snapshots, the one with the higher `versao` is current."""

    pedido_id: PedidoId
    status: Status
    versao: Annotated[int, Meta(ge=1, le=2**31 - 1, description="Counts the order's snapshots; gaps are normal.")]
    causa: (
        Annotated[UUID, Meta(description="Id of the command that this answers; null when time was the cause.")] | None
    ) = None
    recusa: Annotated[str, Meta(description="Why the command changed nothing, in one word.")] | None = None
    expira_em: (
        Annotated[datetime, Meta(tz=True, description="When the reservation expires; null without one.")] | None
    ) = None
    itens_em_falta: Annotated[
        list[ItemEmFalta], Meta(description="The items that could not be reserved, when units were short.")
    ] = []


class AtualizarStatus(CloudEvent, tag=True, kw_only=True, frozen=True):
    """The order's snapshot as of `data.versao`; its id is ``pedidoId:versao``."""

    id: Annotated[str, Meta(min_length=1, description="`pedidoId:versao`.")]
    data: StatusAtualizado
