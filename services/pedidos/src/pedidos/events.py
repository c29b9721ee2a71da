"""Outgoing events, built from commands: directly from memory, or from a row of the outbox."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from pedidos.command import CommandType, NewCommand
from reservaestoque.events import (
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
from reservaestoque.events.pedidos import MAX_VERSAO
from reservaestoque.outbox import UnknownFactError

SOURCE = "/reservaestoque/pedidos"

_decode_items = msgspec.json.Decoder(list[Item]).decode


def to_event(fact: asyncpg.Record) -> Comando:
    """The event of a row of `outbox` joined with its command and its order.

    Raises UnknownFactError when only another release knows its type, or the form of its items.
    """
    try:
        itens = _decode_items(fact["itens"])
        tipo = CommandType(fact["tipo"])
    except msgspec.ValidationError as error:
        raise UnknownFactError(f"the items of an order: {error}") from error
    except ValueError as error:
        raise UnknownFactError(f"a command of type {fact['tipo']!r}") from error
    command = NewCommand(
        fact["comando_id"],
        fact["pedido_id"],
        tipo,
        fact["traceparent"],
        fact["cliente_id"],
        se_versao=fact["se_versao"],
        known_items=itens,
        known_version=fact["versao"],
    )
    return event_of(command, itens, fact["criado_em"])


def events_of(commands: Sequence[NewCommand], criado_em: datetime) -> list[Comando] | None:
    """The events of commands written at `criado_em`; None when the items of one are not at hand."""
    events = []
    for command in commands:
        itens = command.itens or command.known_items
        if itens is None and command.tipo != CommandType.CANCELAR:
            return None
        events.append(event_of(command, itens or [], criado_em))
    return events


def event_of(command: NewCommand, itens: list[Item], criado_em: datetime) -> Comando:
    """The event that carries a command, written at `criado_em`, to an order with these items."""
    envelope: dict[str, Any] = {
        "id": command.id,
        "source": SOURCE,
        "subject": command.pedido_id,
        "time": criado_em,
        "traceparent": command.traceparent or msgspec.UNSET,
    }
    pedido: dict[str, Any] = {
        "pedido_id": command.pedido_id,
        "versao_conhecida": min(command.known_version, MAX_VERSAO),
    }
    match command.tipo:
        case CommandType.CRIAR:
            return PedidoCriado(data=PedidoData(cliente_id=command.cliente_id, itens=itens, **pedido), **envelope)
        case CommandType.FECHAR:
            return FecharPedido(data=ItensDoPedido(itens=itens, **pedido), **envelope)
        case CommandType.RESERVAR:
            return ReservarPedido(data=ItensDoPedido(itens=itens, **pedido), **envelope)
        case CommandType.CANCELAR:
            return CancelarPedido(data=PedidoCancelado(versao=command.se_versao, **pedido), **envelope)
