"""The events between the services, from contracts/asyncapi.yaml and the schemas that it names."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libyaml

from docs_site.schemas import cell, table

INTRODUCTION = """\
# Events

Generated from `contracts/asyncapi.yaml` and `contracts/schemas/`. [Consume our events](../howto/consume-events.md)
says which interface suits which consumer.
"""
CONTRACTS = Path(__file__).resolve().parents[3] / "contracts"


def page() -> str:
    """The text of the page."""
    document = libyaml.load((CONTRACTS / "asyncapi.yaml").read_text())
    return "\n".join(
        [
            INTRODUCTION,
            document["info"]["description"] + "\n",
            *_channels(document),
            *_operations(document),
            "## Messages\n",
            *(
                line
                for name, message in document["components"]["messages"].items()
                for line in _message(name, message)
            ),
        ]
    )


def _channels(document: dict[str, Any]) -> Iterator[str]:
    yield "## Exchanges and queues\n\n| address | what it is | messages | arguments |\n|---|---|---|---|"
    for name, channel in document["channels"].items():
        messages = ", ".join(f"[{message}](#{message.lower()})" for message in channel["messages"])
        arguments = ", ".join(f"`{key}: {value}`" for key, value in channel.get("x-arguments", {}).items())
        yield f"| `{name}` | {channel['title']}. {cell(channel['description'])} | {messages} | {arguments} |"
    yield ""


def _operations(document: dict[str, Any]) -> Iterator[str]:
    yield "## Who sends and receives\n\n| operation | on | |\n|---|---|---|"
    for name, operation in document["operations"].items():
        yield f"| `{name}` | `{operation['channel']['$ref'].rpartition('/')[2]}` | {cell(operation['summary'])} |"
    yield ""


def _message(name: str, message: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n\n{cell(message['summary'])}\n"
    schema = CONTRACTS / "schemas" / f"{name}.json"
    if schema.exists():
        yield table(_without_references(json.loads(schema.read_text())))
    for example in message.get("examples", ())[:1]:
        yield f"```json\n{json.dumps(example['payload'], indent=2, ensure_ascii=False, default=str)}\n```\n"


def _without_references(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.get("$defs", {})

    def resolve(value: Any) -> Any:
        if isinstance(value, list):
            return [resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            target = resolve(definitions[value["$ref"].rpartition("/")[2]])
            return target | {key: item for key, item in value.items() if key != "$ref"}
        return {key: resolve(item) for key, item in value.items() if key != "$defs"}

    resolved: dict[str, Any] = resolve(schema)
    return resolved
