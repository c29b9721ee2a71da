"""Compares the model with a run of the bench: its raw data as JSON values. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.model import Closed, Load, Open, OverloadError, Prediction, Queued, Setup, simulate
from bench.model_fit import Measured
from bench.model_parameters import PARTS, Parameters
from bench.tables import to_markdown

Run = Sequence[Mapping[str, Any]]
"""The measurements of a run, each as stored in its file."""

_HEADINGS = ("scenario", "figure", "predicted", "measured", "ratio")
_REPLICAS = re.compile(r"(?:e2e|estoque)-replicas-(\d+)")
_MODELLED = re.compile(r"(e2e|half|estoque)-(uniform|hot|zipf)-3|(?:e2e|estoque)-replicas-\d+|unloaded")
_RESTING_ORDERS = 200
_LARGE = 100


@dataclass(frozen=True)
class Comparison:
    """A figure of a scenario: orders/s, or milliseconds."""

    scenario: str
    figure: str
    predicted: float
    measured: float

    @property
    def ratio(self) -> float:
        """Predicted over measured."""
        return self.predicted / self.measured


def setup_of(environment: Mapping[str, Any], cores: int | None = None) -> Setup:
    """The setup that `environment.json` describes. `cores`: if the run was confined to fewer (taskset)."""
    replicas = environment["configuration"]["replicas"]
    return Setup(
        pedidos=replicas.get("pedidos", 1),
        estoque=replicas.get("estoque", 1),
        cores=environment["cores"] if cores is None else cores,
    )


def compare(parameters: Parameters, setup: Setup, connections: int, run: Run) -> Iterator[Comparison]:
    """The model's predictions for the measurements that it covers. Everything not modelled uses the measured CPU."""
    for measurement in run:
        if not _MODELLED.fullmatch(measurement["scenario"]):
            continue
        load = _load(measurement, connections)
        orders = _RESTING_ORDERS if measurement["scenario"] == "unloaded" else 20_000
        try:
            prediction = simulate(parameters, _setup(setup, measurement), load, orders=orders)
        except OverloadError:
            yield Comparison(measurement["scenario"], "orders/s (overload)", 0.0, measurement["per_second"])
        else:
            yield from _figures(measurement, prediction)


def table(comparisons: Sequence[Comparison], skipped: Sequence[str]) -> str:
    """One row per figure, and a line with the scenarios that the model does not cover."""
    rows = [(c.scenario, c.figure, _number(c.predicted), _number(c.measured), f"{c.ratio:.2f}") for c in comparisons]
    text = to_markdown([_HEADINGS, *rows])
    return text + (f"\n\nnot modelled: {', '.join(skipped)}" if skipped else "")


def skipped(run: Run) -> list[str]:
    """The scenarios of a run that the model does not cover."""
    names = dict.fromkeys(measurement["scenario"] for measurement in run)
    return [name for name in names if not _MODELLED.fullmatch(name)]


def measured(run: Run, connections: int) -> Measured:
    """The input of a fit, from one replica's `e2e-uniform-3`, `half-uniform-3` and `unloaded`: means over the rounds.

    Raises KeyError when the run lacks one of them.
    """
    full, half, rest = (_of(run, name) for name in ("e2e-uniform-3", "half-uniform-3", "unloaded"))
    return Measured(
        saturated=_mean([cpu_per_order(one) for one in full]),
        at_rate=_mean([cpu_per_order(one) for one in half]),
        rate=sum(one["requested_per_second"] for one in half) / len(half),
        unloaded_p50=sum(one["client"]["p50"] for one in rest) / len(rest),
        customers=connections,
    )


def background(measurement: Mapping[str, Any]) -> float:
    """Cores used by everything that is not a part of the model."""
    cpu: Mapping[str, float] = measurement["cpu"]
    return sum(seconds for name, seconds in cpu.items() if _part(name) is None) / float(
        measurement["measured_seconds"]
    )


def cpu_per_order(measurement: Mapping[str, Any]) -> dict[str, float]:
    """Milliseconds by part of the model."""
    totals = dict.fromkeys(PARTS, 0.0)
    for name, seconds in measurement["cpu"].items():
        part = _part(name)
        if part is not None:
            totals[part] += seconds
    alone = measurement.get("decisions")
    orders = alone["pedidos"] if alone else measurement["per_second"] * measurement["measured_seconds"]
    return {part: seconds * 1000 / orders for part, seconds in totals.items()}


def _part(process: str) -> str | None:
    """The part to which a process of the raw data belongs; None for what is not modelled.

    A database server's own processes (checkpointer, WAL writer, …) work for the orders; other roles' connections
    do not.
    """
    if process.startswith("postgres-"):
        server, _, role = process.partition(": ")
        return None if role in ("conferente", "operador") else f"{server.removeprefix('postgres-')}-db"
    name = re.sub(r"-\d+$", "", process)
    return {"wrk": "generator"}.get(name, name if name in PARTS else None)


def _of(run: Run, scenario: str) -> Run:
    found = [measurement for measurement in run if measurement["scenario"] == scenario]
    if not found:
        raise KeyError(scenario)
    return found


def _mean(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {part: sum(one[part] for one in values) / len(values) for part in PARTS}


def _load(measurement: Mapping[str, Any], connections: int) -> Load:
    scenario = measurement["scenario"]
    if scenario.startswith("estoque-"):
        return Queued(measurement["decisions"]["pedidos"])
    if scenario.startswith("half-"):
        return Open(measurement["requested_per_second"])
    return Closed(1 if scenario == "unloaded" else connections)


def _setup(setup: Setup, measurement: Mapping[str, Any]) -> Setup:
    scenario = measurement["scenario"]
    replicas = _REPLICAS.fullmatch(scenario)
    return replace(
        setup,
        estoque=int(replicas[1]) if replicas else 1 if scenario.startswith("estoque-") else setup.estoque,
        hot=bool(replicas) or "-hot-" in scenario or "-zipf-" in scenario,  # rank 1 is in most Zipf batches
        background=background(measurement),
    )


def _figures(measurement: Mapping[str, Any], prediction: Prediction) -> Iterator[Comparison]:
    scenario = measurement["scenario"]
    yield Comparison(scenario, "orders/s", prediction.per_second, measurement["per_second"])
    if "client" in measurement:
        yield Comparison(scenario, "p50 ms", prediction.p50, measurement["client"]["p50"])
        yield Comparison(scenario, "p99 ms", prediction.p99, measurement["client"]["p99"])
    cpu = sum(cpu_per_order(measurement).values())
    yield Comparison(scenario, "CPU ms per order", sum(prediction.cpu.values()), cpu)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _LARGE else f"{value:.3g}"
