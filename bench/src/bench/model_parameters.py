"""The parameters of the model, and their JSON form, which states the source of each figure. Pure; milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

PARTS = ("generator", "gateway", "pedidos", "pedidos-db", "rabbitmq", "estoque", "estoque-db")


@dataclass(frozen=True)
class Cost:
    """CPU of a part: per order over all its steps, and per wake-up: a switch of a core to its event loop, or a
    statement of its database.
    """

    order: float
    wake: float


@dataclass(frozen=True)
class Parameters:
    """Service times and limits.

    costs: by part. shares: of a part's cost per order, by step. background: cores that everything else uses, in
    one job every background_period. time_slice: of the operating system's scheduler. paced: CPU per order of the
    generator at a constant rate. flush: length of a flush of a database or the broker. notify: cost of an order's
    notification in each replica of pedidos that did not receive the request. interval, longest_interval, rest (a
    factor), max_batch: of the group commit. max_events, at_once: of estoque's consumer. prefetch: messages.
    publication: events that a relay publishes at once. hot: CPU to reserve an order with a hot SKU over that of
    one without. items, skus: they determine how often batches conflict.
    """

    costs: Mapping[str, Cost]
    shares: Mapping[str, float]
    background: float
    background_period: float
    time_slice: float
    paced: float
    flush: float
    notify: float
    interval: float
    longest_interval: float
    rest: float
    max_batch: int
    max_events: int
    at_once: int
    prefetch: int
    publication: int
    hot: float
    items: int
    skus: int

    def order(self, step: str) -> float:
        """The cost per order of `part.step`, or of a part that has one step."""
        return self.costs[step.partition(".")[0]].order * self.shares.get(step, 1.0)


def parse(document: Mapping[str, Any]) -> Parameters:
    """Parameters from JSON. Raises ValueError when a figure lacks its source, KeyError when a figure is missing."""
    for name, entry in [*document["costs"].items(), *((n, document[n]) for n in _NAMES if n != "costs")]:
        if not entry.get("source"):
            raise ValueError(f"{name} has no source")
    if document["time_slice"]["value"] <= 0:
        raise ValueError("time_slice must be more than 0 ms")
    costs = {part: Cost(document["costs"][part]["order"], document["costs"][part]["wake"]) for part in PARTS}
    return Parameters(costs=costs, **{name: document[name]["value"] for name in _NAMES if name != "costs"})


_NAMES = tuple(field.name for field in fields(Parameters))
