"""The event that a fact of the outbox becomes."""

from datetime import datetime

import asyncpg
import msgspec

from reservaestoque.events import AtualizarStatus, ItemEmFalta, Status, StatusAtualizado

SOURCE = "/reservaestoque/estoque"

_ler_faltas = msgspec.json.Decoder(list[ItemEmFalta]).decode


def atualizar_status(fato: asyncpg.Record) -> AtualizarStatus:
    """AtualizarStatus of a row of `outbox`."""
    criado_em: datetime = fato["criado_em"]
    return AtualizarStatus(
        id=f"{fato['pedido_id']}:{fato['versao']}",
        source=SOURCE,
        subject=fato["pedido_id"],
        time=criado_em,
        traceparent=fato["traceparent"] or msgspec.UNSET,
        data=StatusAtualizado(
            pedido_id=fato["pedido_id"],
            status=Status(fato["status"]),
            versao=fato["versao"],
            causa=fato["causa"],
            recusa=fato["recusa"],
            expira_em=fato["expira_em"],
            itens_em_falta=_ler_faltas(fato["itens_em_falta"]),
        ),
    )
