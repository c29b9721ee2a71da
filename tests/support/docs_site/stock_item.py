"""The custom resource StockItem, from its definition."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libyaml

from docs_site.schemas import cell, table

DEFINITION = Path(__file__).resolve().parents[3] / "k8s" / "crd" / "stockitems.yaml"
INTRODUCTION = """\
# StockItem

Generated from `k8s/crd/stockitems.yaml`; `kubectl explain stockitem.spec` prints the same. [The
operator](../operator.md#stockitem) lists the conditions, their reasons and the Events, and [quantity is
supply](../concepts/supply.md) explains the field that surprises most.
"""


def page() -> str:
    """The text of the page."""
    definition = libyaml.load(DEFINITION.read_text())["spec"]
    names = definition["names"]
    (version,) = definition["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    parts = [INTRODUCTION, f"`{definition['group']}/{version['name']}`, kind `{names['kind']}`, short name"]
    parts[-1] += f" `{names['shortNames'][0]}`. {cell(schema['description'])}\n"
    for part in ("spec", "status"):
        parts += [f"## {part}\n", schema["properties"][part]["description"] + "\n", table(schema["properties"][part])]
    parts += ["## Rules\n", "The API server rejects a StockItem that breaks one of these:\n"]
    parts += [f"- {cell(rule)}" for rule in dict.fromkeys(_rules(schema))]
    parts += ["", "## Columns\n", "| column | shown | meaning |", "|---|---|---|"]
    for column in version["additionalPrinterColumns"]:
        shown = "with `-o wide`" if column.get("priority") else "always"
        parts.append(f"| {column['name']} | {shown} | {cell(column.get('description', ''))} |")
    return "\n".join([*parts, ""])


def _rules(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", ()))
        for value in schema.values():
            yield from _rules(value)
