"""Outgoing events, built from facts: directly from memory, or from the outbox."""

from datetime import datetime

import asyncpg
import msgspec

from estoque.pedido import Fact
from reservaestoque.events import AtualizarStatus, ItemEmFalta, Status, StatusAtualizado
from reservaestoque.outbox import UnknownFactError

SOURCE = "/reservaestoque/estoque"

_decode_missing = msgspec.json.Decoder(list[ItemEmFalta]).decode


def to_event(fact: asyncpg.Record) -> AtualizarStatus:
    """The event of a fact in the outbox.

    Raises UnknownFactError when only another release knows its status, or the reason why an item is missing.
    """
    try:
        status, itens_em_falta = Status(fact["status"]), _decode_missing(fact["itens_em_falta"])
    except (ValueError, msgspec.ValidationError) as error:
        raise UnknownFactError(f"a snapshot: {error}") from error
    snapshot = StatusAtualizado(
        pedido_id=fact["pedido_id"],
        status=status,
        versao=fact["versao"],
        causa=fact["causa"],
        recusa=fact["recusa"],
        expira_em=fact["expira_em"],
        itens_em_falta=itens_em_falta,
    )
    return _event(snapshot, fact["criado_em"], fact["traceparent"])


def event_of(fact: Fact, criado_em: datetime) -> AtualizarStatus:
    """The event of a fact that was written at `criado_em`: the same as from the outbox."""
    pedido = fact.pedido
    snapshot = StatusAtualizado(
        pedido_id=pedido.id,
        status=pedido.status,
        versao=pedido.versao,
        causa=fact.causa,
        recusa=fact.recusa,
        expira_em=pedido.expira_em,
        itens_em_falta=list(pedido.itens_em_falta),
    )
    return _event(snapshot, criado_em, fact.traceparent)


def _event(snapshot: StatusAtualizado, criado_em: datetime, traceparent: str | None) -> AtualizarStatus:
    return AtualizarStatus(
        id=f"{snapshot.pedido_id}:{snapshot.versao}",
        source=SOURCE,
        subject=snapshot.pedido_id,
        time=criado_em,
        traceparent=traceparent or msgspec.UNSET,
        data=snapshot,
    )
