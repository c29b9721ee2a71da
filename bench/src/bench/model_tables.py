"""The table of predictions, in Markdown. Pure."""

from collections.abc import Iterable, Sequence
from itertools import product
from typing import NamedTuple

from bench.model import Closed, Open, Prediction, Setup, simulate
from bench.model_parameters import Parameters
from bench.tables import to_markdown

_HEADINGS = (
    *("pedidos", "estoque", "machines", "cores each", "orders/s", "bottleneck"),
    *("used", "p50 ms at half", "p99 ms at half"),
)
_ORDERS = 10_000


class Forecast(NamedTuple):
    """Saturation, and a constant rate of half of it."""

    setup: Setup
    saturated: Prediction
    half: Prediction


def setups(
    pedidos: Sequence[int], estoque: Sequence[int], cores: Sequence[int], layout: str, *, hot: bool
) -> list[Setup]:
    """Every combination; the gateway has two threads, or as many as its machine has cores if these are more."""
    return [
        Setup(pedidos=p, estoque=e, cores=c, layout=layout, hot=hot, gateway_threads=max(2, c))
        for c, p, e in product(cores, pedidos, estoque)
    ]


def forecast(parameters: Parameters, setup: Setup, connections: int, *, seed: int = 1) -> Forecast:
    """`connections`: customers per replica of pedidos, so that replicas wait for work rather than work for them."""
    orders = _ORDERS * setup.pedidos
    saturated = simulate(parameters, setup, Closed(connections * setup.pedidos), orders=orders, seed=seed)
    half = simulate(parameters, setup, Open(saturated.per_second / 2), orders=orders, seed=seed)
    return Forecast(setup, saturated, half)


def table(forecasts: Iterable[Forecast]) -> str:
    """One row per setup."""
    return to_markdown([_HEADINGS, *map(_row, forecasts)])


def _row(forecast: Forecast) -> tuple[str, ...]:
    setup, saturated, half = forecast
    busiest = saturated.used.get(saturated.bottleneck, max(saturated.used.values()))
    return (
        *(str(setup.pedidos), str(setup.estoque), setup.layout, str(setup.cores)),
        *(f"{saturated.per_second:,.0f}", saturated.bottleneck, f"{busiest:.0%}"),
        *(f"{half.p50:.0f}", f"{half.p99:.0f}"),
    )
