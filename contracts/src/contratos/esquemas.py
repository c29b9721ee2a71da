"""JSON Schemas (draft 2020-12) of the events, from their msgspec structs."""

from inspect import cleandoc
from typing import Any

import msgspec

from reservaestoque import events
from reservaestoque.bus import QUEUES
from reservaestoque.events import CloudEvent

BASE = "https://reservaestoque.dev/schemas/"
DIALETO = "https://json-schema.org/draft/2020-12/schema"


def tipos() -> dict[str, type[CloudEvent]]:
    """The struct of each event type that a queue takes, in the order of the queues."""
    return {nome: getattr(events, nome) for fila in QUEUES for nome in fila.types}


def esquema(tipo: type[CloudEvent]) -> dict[str, Any]:
    """The schema of one event. Fields that it does not name are accepted, as the decoder accepts them."""
    gerado = _descricoes_limpas(msgspec.json.schema(tipo))
    partes = gerado["$defs"]
    evento = partes.pop(tipo.__name__)
    return {"$schema": DIALETO, "$id": f"{BASE}{tipo.__name__}.json", **evento, "$defs": partes}


def _descricoes_limpas(valor: Any) -> Any:
    """msgspec takes docstrings as they are indented in the source."""
    if isinstance(valor, list):
        return [_descricoes_limpas(um) for um in valor]
    if not isinstance(valor, dict):
        return valor
    limpo = {chave: _descricoes_limpas(um) for chave, um in valor.items()}
    if isinstance(limpo.get("description"), str):
        limpo["description"] = cleandoc(limpo["description"])
    return limpo
