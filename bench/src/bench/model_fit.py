"""Fits the model's costs to measured CPU times. Pure.

CPU per order at saturation and at half of it are two points of one line: cost = order + wake x wakes per order. The
model says how often a part wakes at either load; that depends on the costs, so the fit repeats.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.model import Closed, Open, Prediction, Setup, simulate
from bench.model_parameters import PARTS, Cost, Parameters


@dataclass(frozen=True)
class Measured:
    """Milliseconds of CPU per order by part at saturation and at a constant rate; p50 of one customer alone."""

    saturated: Mapping[str, float]
    at_rate: Mapping[str, float]
    rate: float
    unloaded_p50: float
    customers: int = 768


_REPETITIONS = 8
_DAMPING = 0.6
_LONGEST_FLUSH = 10.0


def fit(parameters: Parameters, setup: Setup, measured: Measured, *, orders: int = 4_000) -> Parameters:
    """The parameters with costs that give the measured CPU times at both loads, and with a flush that gives the
    measured p50 at rest. Neither throughput nor latency under load is fitted.
    """
    parameters = replace(parameters, paced=measured.at_rate["generator"])
    for _ in range(_REPETITIONS):
        full = simulate(parameters, setup, Closed(measured.customers), orders=orders)
        half = simulate(parameters, setup, Open(measured.rate), orders=orders)
        costs = {part: _cost(part, parameters.costs[part], full, half, measured) for part in PARTS}
        costs["generator"] = Cost(measured.saturated["generator"], 0.0)
        parameters = replace(parameters, costs=costs)
        parameters = replace(parameters, flush=_flush(parameters, setup, measured.unloaded_p50))
    return parameters


def _cost(part: str, before: Cost, full: Prediction, half: Prediction, measured: Measured) -> Cost:
    wakes = half.wakes[part] - full.wakes[part]
    growth = measured.at_rate[part] - measured.saturated[part]
    wake = growth / wakes if wakes > 0 and growth > 0 else 0.0
    wake = min(wake, measured.saturated[part] / full.wakes[part])  # no cost per order is negative
    order = measured.saturated[part] - wake * full.wakes[part]
    return Cost(_towards(before.order, order), _towards(before.wake, wake))


def _towards(before: float, after: float) -> float:
    return before + _DAMPING * (after - before)


def _flush(parameters: Parameters, setup: Setup, p50: float) -> float:
    """Finds the length of a flush that gives this p50, by bisection: p50 grows with that length."""
    low, high = 0.0, _LONGEST_FLUSH
    for _ in range(12):
        middle = (low + high) / 2
        seen = simulate(replace(parameters, flush=middle), setup, Closed(1), orders=40)
        low, high = (middle, high) if seen.p50 < p50 else (low, middle)
    return (low + high) / 2
