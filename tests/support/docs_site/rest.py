"""The REST API, from contracts/openapi."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs_site.schemas import Schema, cell, kind, table

FOLDER = Path(__file__).resolve().parents[3] / "contracts" / "openapi"
SERVICES = ("pedidos", "estoque")
INTRODUCTION = """\
# REST

Generated from the OpenAPI documents that the gateway serves at `/schema/pedidos` and `/schema/estoque`. [REST and
event streams](../api.md) explains how the calls belong together, [problem types](../problems.md) what errors mean.
"""


def page() -> str:
    """The text of the page."""
    documents = {service: json.loads((FOLDER / f"{service}.json").read_text()) for service in SERVICES}
    schemas: dict[str, Schema] = {}
    common = dict.fromkeys(document["info"]["description"] for document in documents.values())
    parts = [INTRODUCTION, *(text.replace("docs/problems.md", "[problems.md](../problems.md)") for text in common)]
    for service, document in documents.items():
        parts.append(f"## {service}\n")
        for path, operations in document["paths"].items():
            parts += [
                part for method, operation in operations.items() for part in _operation(method, path, operation)
            ]
        schemas |= document["components"]["schemas"]
    parts.append("## Objects\n")
    parts += [part for name in sorted(schemas) for part in _schema(name, schemas[name])]
    return "\n".join(parts)


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### `{method.upper()} {path}`\n"
    yield operation["summary"].rstrip(".") + ".\n"
    if operation.get("description", "") not in {"", operation["summary"]}:
        yield cell(operation["description"]).replace("\\|", "|") + "\n"
    if operation.get("parameters"):
        yield "| parameter | in | type | meaning |\n|---|---|---|---|"
        for one in operation["parameters"]:
            text = "**Required.** " if one.get("required") and one["in"] != "path" else ""
            text += cell(one.get("description", ""))
            yield f"| `{one['name']}` | {one['in']} | {kind(one['schema'])} | {text} |"
        yield ""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"The body is `{media}`:\n"
        yield table(content["schema"])
    yield "| answer | meaning | body |\n|---|---|---|"
    for status, response in sorted(operation["responses"].items()):
        bodies = " or ".join(_body(media, content) for media, content in response.get("content", {}).items())
        yield f"| {status} | {cell(response['description'])} | {bodies} |"
    yield ""


def _body(media: str, content: dict[str, Any]) -> str:
    schema = content.get("schema", {})
    return kind(schema) if "$ref" in schema else f"`{media}`"


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f"### {name}\n"
    yield f"{schema.get('description', '')}\n"
    yield table(schema) if "properties" in schema else f"One of {kind(schema)}.\n" if "enum" in schema else ""
