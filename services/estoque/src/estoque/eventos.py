"""The event that a fact of the outbox becomes."""

from datetime import datetime

import asyncpg
import msgspec

from reservaestoque.events import AtualizarStatus, ItemEmFalta, Status, StatusAtualizado
from reservaestoque.outbox import UnknownFactError

SOURCE = "/reservaestoque/estoque"

_ler_faltas = msgspec.json.Decoder(list[ItemEmFalta]).decode


def atualizar_status(fato: asyncpg.Record) -> AtualizarStatus:
    """AtualizarStatus of a row of `outbox`.

    Raises UnknownFactError when its status, or why an item lacks, is one that only another release knows.
    """
    criado_em: datetime = fato["criado_em"]
    try:
        status, itens_em_falta = Status(fato["status"]), _ler_faltas(fato["itens_em_falta"])
    except (ValueError, msgspec.ValidationError) as error:
        raise UnknownFactError(f"a snapshot: {error}") from error
    return AtualizarStatus(
        id=f"{fato['pedido_id']}:{fato['versao']}",
        source=SOURCE,
        subject=fato["pedido_id"],
        time=criado_em,
        traceparent=fato["traceparent"] or msgspec.UNSET,
        data=StatusAtualizado(
            pedido_id=fato["pedido_id"],
            status=status,
            versao=fato["versao"],
            causa=fato["causa"],
            recusa=fato["recusa"],
            expira_em=fato["expira_em"],
            itens_em_falta=itens_em_falta,
        ),
    )
