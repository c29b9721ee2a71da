"""Scenarios and the plan that sizes them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.shop import Shop

Measurement = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Duration and load.

    seconds: length of a window. connections: customers at saturation. ready: orders queued for estoque alone.
    reservas: reservations that lapse at once. past_orders, skus: size of the grown databases. stock_items: StockItems
    of the convergence scenario. others: cores that other processes may use; a measurement during which they use more
    is repeated.
    """

    seconds: int = 20
    connections: int = 768
    ready: int = 200_000
    reservas: int = 1_000_000
    past_orders: int = 10_000_000
    skus: int = 1_000_000
    stock_items: int = 10_000
    others: float = float("inf")


Measure = Callable[[Shop, Plan], Measurement]


@dataclass(frozen=True)
class Scenario:
    """`measure` returns the headline figure, `per_second`, with all details.

    `baseline`, `limit`: the pgbench scripts to measure just before, if any. `at_end`: an audit that is too slow to
    run after each round and runs once at the end.
    """

    name: str
    measure: Measure
    baseline: str | None = None
    limit: str | None = None
    at_end: Callable[[Shop], object] | None = None
