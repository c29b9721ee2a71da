"""Decides which Kubernetes Events a change of status is worth. Pure."""

import msgspec

from operador.condicoes import AVAILABLE, LOW_STOCK, SYNCED
from operador.stockitem import Condicao, Status

_AVISOS = frozenset({"SkuConflict", "BelowCommitted", "Rejected"})
# An outage concerns every item at once: it belongs in logs, metrics and conditions, not in an Event an item.
_CALADOS = frozenset({"DatabaseUnavailable"})


class Evento(msgspec.Struct, frozen=True):
    """An Event for people: `tipo` is Normal or Warning."""

    tipo: str
    motivo: str
    mensagem: str


def eventos(anterior: Status | None, novo: Status) -> list[Evento]:
    """What a person would want to hear about the step from one status to the next; orders alone say nothing."""
    achados = [
        _sincronia(_de(anterior, SYNCED), _de(novo, SYNCED)),
        _disponibilidade(_de(anterior, AVAILABLE), _de(novo, AVAILABLE)),
        _pouco(_de(anterior, LOW_STOCK), _de(novo, LOW_STOCK)),
    ]
    return [evento for evento in achados if evento is not None]


def _de(status: Status | None, tipo: str) -> Condicao | None:
    return status.condicao(tipo) if status is not None else None


def _sincronia(antes: Condicao | None, depois: Condicao | None) -> Evento | None:
    if depois is None or depois.motivo in _CALADOS:
        return None
    if antes is not None and (antes.motivo == depois.motivo or _volta(antes, depois)):
        return None
    if depois.motivo == "Synced" and (antes is None or antes.motivo == "SkuConflict"):
        return Evento("Normal", "Claimed", f"The SKU is this StockItem's. {depois.mensagem}")
    return Evento("Warning" if depois.motivo in _AVISOS else "Normal", depois.motivo, depois.mensagem)


def _volta(antes: Condicao, depois: Condicao) -> bool:
    """Back from an outage with nothing else to say."""
    return antes.motivo in _CALADOS and depois.motivo == "Synced"


def _disponibilidade(antes: Condicao | None, depois: Condicao | None) -> Evento | None:
    if antes is None or depois is None or antes.motivo == depois.motivo:
        return None
    if depois.motivo == "OutOfStock":
        return Evento("Warning", "OutOfStock", depois.mensagem)
    if (antes.motivo, depois.motivo) == ("OutOfStock", "InStock"):
        return Evento("Normal", "BackInStock", depois.mensagem)
    return None


def _pouco(antes: Condicao | None, depois: Condicao | None) -> Evento | None:
    if depois is None or depois.status != "True" or (antes is not None and antes.status == "True"):
        return None
    return Evento("Warning", "LowStock", depois.mensagem)
