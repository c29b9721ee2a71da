"""End to end: from POST through the gateway to the decision in pedidos' database."""

from bench import load, observation
from bench.distribution import SKUS
from bench.plan import Measure, Measurement, Plan
from bench.shop import Shop

FEW_UNITS = 1_000
"""Units of the hot SKU in scenarios in which nearly every order is refused."""


def saturated(distribution: str, itens: int, *, wait: bool = True, hot_units: int | None = None) -> Measure:
    """Saturation on an empty system: customers wait for the decision (201), or only for 202."""

    def measure(shop: Shop, plan: Plan) -> Measurement:
        shop.reset(hot_units=hot_units)
        return saturate(shop, plan, distribution, itens, wait=wait)

    return measure


def saturate(
    shop: Shop, plan: Plan, distribution: str, itens: int, *, wait: bool = True, skus: int = SKUS
) -> Measurement:
    """Saturation on the databases as they are."""
    bodies = shop.bodies(distribution, itens, skus)
    return load.closed_loop(shop, bodies, connections=plan.connections, seconds=plan.seconds, wait=wait)


def half(distribution: str, itens: int) -> Measure:
    """A constant rate of half the saturation just measured."""

    def measure(shop: Shop, plan: Plan) -> Measurement:
        shop.reset()
        saturation = saturate(shop, plan, distribution, itens)["per_second"]
        bodies = shop.bodies(distribution, itens)
        rate = max(1, round(saturation / 2))
        measurement = load.open_loop(
            shop, bodies, connections=plan.connections, per_second=rate, seconds=plan.seconds
        )
        return {**measurement, "saturation": saturation}

    return measure


def unloaded(shop: Shop, plan: Plan) -> Measurement:
    """One customer, one order at a time."""
    shop.reset()
    return load.closed_loop(shop, shop.bodies("uniform", 3), connections=1, seconds=plan.seconds, wait=True)


def with_replicas(estoque_replicas: int) -> Measure:
    """The hot SKU with this many replicas of estoque, each of which must decide orders."""

    def measure(shop: Shop, plan: Plan) -> Measurement:
        with shop.replicas(estoque=estoque_replicas):
            shop.reset()
            before = observation.events_by_replica(shop)
            measurement = saturate(shop, plan, "hot", 3)
            return {**measurement, "replicas": observation.decided_by_replica(shop, before)}

    return measure
