"""JSON Schemas (draft 2020-12) of the events, generated from their msgspec structs."""

from inspect import cleandoc
from typing import Any

import msgspec

from reservaestoque import events
from reservaestoque.bus import QUEUES
from reservaestoque.events import CloudEvent

BASE = "https://reservaestoque.dev/schemas/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def event_types() -> dict[str, type[CloudEvent]]:
    """The struct of each event type that is routed to a queue, in queue order."""
    return {name: getattr(events, name) for queue in QUEUES for name in queue.types}


def json_schema(event_type: type[CloudEvent]) -> dict[str, Any]:
    """The schema of one event. It allows unknown fields, as the decoder does."""
    generated = _clean_descriptions(msgspec.json.schema(event_type))
    parts = generated["$defs"]
    event = parts.pop(event_type.__name__)
    return {"$schema": DIALECT, "$id": f"{BASE}{event_type.__name__}.json", **event, "$defs": parts}


def _clean_descriptions(value: Any) -> Any:
    """Dedents descriptions: msgspec copies docstrings with their source indentation."""
    if isinstance(value, list):
        return [_clean_descriptions(each) for each in value]
    if not isinstance(value, dict):
        return value
    clean = {key: _clean_descriptions(each) for key, each in value.items()}
    if isinstance(clean.get("description"), str):
        clean["description"] = cleandoc(clean["description"])
    return clean
