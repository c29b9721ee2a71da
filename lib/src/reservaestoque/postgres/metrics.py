"""Metrics of connection pools, read at each scrape."""

from collections.abc import Iterator
from weakref import WeakKeyDictionary

import asyncpg
from prometheus_client import REGISTRY, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

pool_wait = Histogram(
    "postgres_pool_wait_seconds",
    "How long a caller waited for a connection",
    ["pool"],
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10),
)


class Pools(Collector):
    """The connections of every open pool, by the pool's name."""

    def __init__(self) -> None:
        self._names: WeakKeyDictionary[asyncpg.Pool, str] = WeakKeyDictionary()

    def add(self, pool: asyncpg.Pool, name: str) -> None:
        """Reports this pool until it is garbage-collected."""
        self._names[pool] = name

    def collect(self) -> Iterator[Metric]:
        """The current metrics."""
        connections = GaugeMetricFamily("postgres_pool_connections", "Open connections", labels=["pool", "state"])
        limit = GaugeMetricFamily(
            "postgres_pool_connections_limit", "Maximum number of open connections", labels=["pool"]
        )
        for pool, name in list(self._names.items()):
            idle = pool.get_idle_size()
            connections.add_metric([name, "idle"], idle)
            connections.add_metric([name, "busy"], pool.get_size() - idle)
            limit.add_metric([name], pool.get_max_size())
        yield connections
        yield limit


pools = Pools()
REGISTRY.register(pools)
