"""The set of contract documents and their text."""

import json
from pathlib import Path

import yaml

from contracts.asyncapi import asyncapi
from contracts.openapi import SERVICES, openapi
from contracts.schemas import event_types, json_schema

ROOT = Path(__file__).resolve().parents[2]


def generate() -> dict[str, str]:
    """Maps each document's path below contracts/ to the text that the code generates."""
    return {
        "asyncapi.yaml": _yaml(asyncapi()),
        **{f"schemas/{name}.json": _json(json_schema(event_type)) for name, event_type in event_types().items()},
        **{f"openapi/{service}.json": _json(openapi(service)) for service in SERVICES},
    }


def existing(root: Path) -> set[str]:
    """The paths of the documents on disk, stale ones included."""
    patterns = ("asyncapi.yaml", "schemas/*.json", "openapi/*.json")
    return {str(file.relative_to(root)) for pattern in patterns for file in root.glob(pattern)}


def _yaml(document: object) -> str:
    plain = json.loads(json.dumps(document))  # the YAML writer would tag enums and alias repeated values
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=118)


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
