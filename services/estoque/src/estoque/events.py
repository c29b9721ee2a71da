"""Outgoing events: what a fact of the outbox is published as."""

from datetime import datetime

import asyncpg
import msgspec

from reservaestoque.events import AtualizarStatus, ItemEmFalta, Status, StatusAtualizado
from reservaestoque.outbox import UnknownFactError

SOURCE = "/reservaestoque/estoque"

_decode_missing = msgspec.json.Decoder(list[ItemEmFalta]).decode


def to_event(fact: asyncpg.Record) -> AtualizarStatus:
    """The event of a row of `outbox`.

    Raises UnknownFactError when only another release knows its status, or the reason why an item is missing.
    """
    criado_em: datetime = fact["criado_em"]
    try:
        status, itens_em_falta = Status(fact["status"]), _decode_missing(fact["itens_em_falta"])
    except (ValueError, msgspec.ValidationError) as error:
        raise UnknownFactError(f"a snapshot: {error}") from error
    return AtualizarStatus(
        id=f"{fact['pedido_id']}:{fact['versao']}",
        source=SOURCE,
        subject=fact["pedido_id"],
        time=criado_em,
        traceparent=fact["traceparent"] or msgspec.UNSET,
        data=StatusAtualizado(
            pedido_id=fact["pedido_id"],
            status=status,
            versao=fact["versao"],
            causa=fact["causa"],
            recusa=fact["recusa"],
            expira_em=fact["expira_em"],
            itens_em_falta=itens_em_falta,
        ),
    )
