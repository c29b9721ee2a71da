"""Metrics of a program under load: refused requests, and the lag of its event loop."""

import asyncio

from prometheus_client import Counter, Histogram

_SAMPLE_SECONDS = 0.5

_refused = Counter("refused_for_load_total", "Requests refused because too many were waiting", ["resource"])
_lag = Histogram(
    "event_loop_lag_seconds",
    "Delay of a timer on the event loop, measured twice a second",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)


for _resource in ("commits", "reads", "lists"):
    _refused.labels(_resource)  # so that a rate is 0 before the first one


def count_refused(resource: str) -> None:
    """Counts a request refused because too many others were waiting for `resource`."""
    _refused.labels(resource).inc()


async def observe_loop_lag() -> None:
    """Samples the lag of the running event loop until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _SAMPLE_SECONDS
        await asyncio.sleep(_SAMPLE_SECONDS)
        _lag.observe(max(loop.time() - due, 0.0))
