"""The values of the charts: the commented values.yaml of each, and what its schema allows."""

import json
from pathlib import Path

from docs_site.schemas import rows_of

CHARTS = Path(__file__).resolve().parents[3] / "charts"
INTRODUCTION = """\
# Chart values

Generated from `values.yaml` and `values.schema.json` of each chart. In the umbrella chart `reserva-estoque` the
values of a part are under its name: `replicas` of the chart `pedidos` is `pedidos.replicas` there. [On
Kubernetes](../kubernetes.md#values) lists the most important ones. Helm refuses any value that is not here.
"""
UMBRELLA = "reserva-estoque"
CONTAINERS = ("object", "any")
"""Types of values that are not listed themselves; the values that they contain are."""


def page() -> str:
    """The text of the page."""
    charts = sorted(path.parent.name for path in CHARTS.glob("*/values.yaml"))
    charts.sort(key=lambda name: name != UMBRELLA)
    return "\n".join([INTRODUCTION, *(_chart(name) for name in charts)])


def _chart(name: str) -> str:
    values = (CHARTS / name / "values.yaml").read_text().strip()
    schema = json.loads((CHARTS / name / "values.schema.json").read_text())
    rows = [
        f"| `{path}` | {allowed} |"
        for path, allowed, _, _ in rows_of(schema)
        if allowed not in CONTAINERS and (name == UMBRELLA or not path.startswith("global."))
    ]
    return "\n".join([f"## {name}\n", f"```yaml\n{values}\n```\n", "| value | allowed |", "|---|---|", *rows, ""])
