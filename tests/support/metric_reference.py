"""Writes docs/metrics.md: every metric of the programs, read from the code that declares it."""

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "metrics.md"
PROGRAMS = ("pedidos", "estoque", "operador", "conferir")
SHARED = "reservaestoque"
INTRODUCTION = """\
# Metrics

All metrics of the programs, generated from the code by `make reference`. Each program serves its metrics at
`/metrics` on `METRICS_PORT`, which the gateway does not reach. Those under "every program" are present in each
program that has the part: an outbox, a consumer, a pool, an HTTP server. Counters have the suffix `_total`,
histograms the series `_bucket`, `_sum` and `_count`. [Operations](operations.md#metrics) lists the most important
ones.
"""


class Row(NamedTuple):
    """A metric as the page describes it."""

    name: str
    kind: str
    labels: str
    meaning: str


def loaded() -> dict[str, set[str]]:
    """The names of the metrics that each package declares. Imports all of its modules."""
    owners: dict[str, set[str]] = {}
    known = set(_collectors())
    for package in (SHARED, *PROGRAMS):
        for module in _modules(package):
            importlib.import_module(module)
        new = set(_collectors()) - known
        owners[package] = {name for collector in new for name in _names(collector)}
        known |= new
    return owners


def page() -> str:
    """The text of docs/metrics.md."""
    owners = loaded()
    rows = {row.name: row for row in _rows()}
    parts = [INTRODUCTION]
    for package in (SHARED, *PROGRAMS):
        names = sorted(rows.keys() & owners[package])
        if names:
            title = "Every program" if package == SHARED else package
            lines = [f"| `{r.name}` | {r.kind} | {r.labels} | {r.meaning} |" for r in map(rows.__getitem__, names)]
            head = [f"## {title}\n", "| metric | type | labels | meaning |", "|---|---|---|---|"]
            parts.append("\n".join([*head, *lines, ""]))
    return "\n".join(parts)


def _modules(package: str) -> Iterator[str]:
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.endswith("__main__"):
            yield found.name


def _collectors() -> list[Collector]:
    return list(REGISTRY._collector_to_names)


def _names(collector: Collector) -> Iterator[str]:
    for metric in collector.collect():
        yield _public(metric.name, metric.type)


def _rows() -> Iterator[Row]:
    for collector in _collectors():
        declared = collector._labelnames if isinstance(collector, MetricWrapperBase) else None
        for metric in collector.collect():
            if not metric.name.startswith(("python_", "process_")):
                labels = getattr(metric, "_labelnames", ()) if declared is None else declared
                named = ", ".join(f"`{label}`" for label in labels)
                yield Row(_public(metric.name, metric.type), metric.type, named, metric.documentation)


def _public(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is up to date\n")
