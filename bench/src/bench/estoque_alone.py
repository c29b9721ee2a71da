"""estoque alone: fills its queue through pedidos' relay, then starts it and measures until all is decided."""

import json

from bench import observation
from bench.plan import Measure, Measurement, Plan
from bench.shop import Shop, stopped

REFUSED = 50_000


def decide(
    distribution: str,
    itens: int,
    *,
    hot_units: int | None = None,
    count: int | None = None,
    replicas: int = 1,
) -> Measure:
    """Orders per second from the first commit to the last; the outbox is published, but pedidos is down."""

    def measure(shop: Shop, plan: Plan) -> Measurement:
        with shop.replicas(estoque=replicas):
            shop.reset(hot_units=hot_units)
            measurement = _measure(shop, count or plan.ready, distribution, itens)
            shop.drain()
            return measurement

    return measure


def _measure(shop: Shop, count: int, distribution: str, itens: int) -> Measurement:
    with stopped(shop.system, "estoque"):
        shop.queue_orders(count, shop.bodies(distribution, itens))
        shop.wait_until(lambda: shop.sql("pedidos", "outbox") == "0", 600, "pedidos has not published all orders")
        shop.checkpoint()
        shop.system.stop("pedidos")
        wal = observation.wal_positions(shop)  # estoque begins to decide before it reports ready
    try:
        with observation.measuring(shop) as measurement:
            shop.wait_until(lambda: _decided(shop) >= count, 600, "estoque has not decided all orders")
        replicas = observation.decided_by_replica(shop, {})
    finally:
        shop.system.start("pedidos")
    # With several replicas, exclude the orders that the first decides before the last has started.
    since = measurement["start"] if len(replicas) > 1 else 0
    decisions = json.loads(shop.sql("estoque", "estoque_decisions", since=since))
    return {
        **measurement,
        "wal": observation.wal_since(shop, wal),
        "per_second": decisions["per_second"],
        "decisions": decisions,
        "replicas": replicas,
    }


def _decided(shop: Shop) -> float:
    return sum(observation.events_by_replica(shop).values())
