"""The performance goals, each computed from the measurements of one round. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.summary import Summary, summarize

Round = Mapping[str, Mapping[str, Any]]
"""The measurements of one round by scenario."""


@dataclass(frozen=True)
class Goal:
    """`compute` raises KeyError when the round lacks a scenario it needs."""

    name: str
    limit: float
    compute: Callable[[Round], float]
    at_least: bool = True

    def reached(self, summary: Summary) -> bool:
        """Whether the median meets the limit."""
        return summary.median >= self.limit if self.at_least else summary.median <= self.limit


def _over_baseline(scenario: str) -> Callable[[Round], float]:
    return lambda r: float(r[scenario]["per_second"] / r[scenario]["baseline"]["per_second"])


def _over_limit(scenario: str) -> Callable[[Round], float]:
    return lambda r: float(r[scenario]["per_second"] / r[scenario]["limit"]["per_second"])


def _cpu_over_baseline(one: Mapping[str, Any]) -> float:
    """CPU of an order, of all processes, over that of a transaction of the baseline."""
    orders = one["per_second"] * one["measured_seconds"]
    return float(sum(one["cpu"].values()) / orders / one["baseline"]["cpu_seconds"])


def _over(scenario: str, other: str) -> Callable[[Round], float]:
    return lambda r: float(r[scenario]["per_second"] / r[other]["per_second"])


def _latency(scenario: str, which: str) -> Callable[[Round], float]:
    return lambda r: float(r[scenario]["client"][which])


GOALS: Sequence[Goal] = (
    Goal("end to end over baseline, uniform, 3 items", 0.4, _over_baseline("e2e-uniform-3")),
    Goal("end to end over baseline, one hot SKU, 3 items", 2.2, _over_baseline("e2e-hot-3")),
    Goal("end to end, hot over uniform", 0.9, _over("e2e-hot-3", "e2e-uniform-3")),
    Goal(
        "CPU per order over that of the baseline, end to end, uniform",
        2.4,
        lambda r: _cpu_over_baseline(r["e2e-uniform-3"]),
        at_least=False,
    ),
    Goal("estoque alone over baseline, uniform, 3 items", 3, _over_baseline("estoque-uniform-3")),
    Goal("estoque alone over baseline, one hot SKU, 3 items", 15, _over_baseline("estoque-hot-3")),
    Goal("estoque alone over PostgreSQL's own batches, uniform", 0.45, _over_limit("estoque-uniform-3")),
    Goal("estoque alone over PostgreSQL's own batches, one hot SKU", 0.4, _over_limit("estoque-hot-3")),
    Goal("p99 at half of saturation, uniform (ms)", 70, _latency("half-uniform-3", "p99"), at_least=False),
    Goal("p99 at half of saturation, hot SKU (ms)", 70, _latency("half-hot-3", "p99"), at_least=False),
    Goal("unloaded p50 (ms)", 8, _latency("unloaded", "p50"), at_least=False),
    Goal("grown over empty databases, uniform", 0.9, _over("grown", "e2e-uniform-3")),
    Goal(
        "mass expiry, during over before",
        0.6,
        lambda r: float(r["mass-expiry"]["per_second"] / r["mass-expiry"]["before"]["per_second"]),
    ),
    Goal(
        "mass expiry, until all are swept (s)",
        300,
        lambda r: float(r["mass-expiry"]["seconds_until_swept"]),
        at_least=False,
    ),
    Goal("2 replicas of estoque over 1, end to end, hot SKU", 0.9, _over("e2e-replicas-2", "e2e-replicas-1")),
    Goal("4 replicas of estoque over 1, end to end, hot SKU", 0.9, _over("e2e-replicas-4", "e2e-replicas-1")),
    Goal(
        "2 replicas of estoque over 1, estoque alone, hot SKU",
        0.9,
        _over("estoque-replicas-2", "estoque-replicas-1"),
    ),
    Goal(
        "4 replicas of estoque over 1, estoque alone, hot SKU",
        0.9,
        _over("estoque-replicas-4", "estoque-replicas-1"),
    ),
    Goal("nearly all refused over plenty, end to end", 0.8, _over("e2e-refusals", "e2e-hot-3")),
    Goal("nearly all refused over plenty, estoque alone", 0.8, _over("estoque-refusals", "estoque-hot-3")),
    Goal("lapsed and unswept over the usual hot SKU", 0.6, _over("unswept", "e2e-hot-3")),
    Goal(
        "StockItem backlog over raw status patches",
        0.7,
        lambda r: float(r["convergence"]["per_second"] / r["convergence"]["raw"]["patches_per_second"]),
    ),
)


def evaluate(rounds: Sequence[Round]) -> Iterator[tuple[Goal, Summary]]:
    """The goals that these rounds can evaluate."""
    for goal in GOALS:
        try:
            values = [goal.compute(one_round) for one_round in rounds]
        except KeyError:
            continue
        yield goal, summarize(values)
