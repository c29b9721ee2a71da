"""Measures under load: the generator runs, then the databases report on the window."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench import load_generator
from bench.load_generator import GeneratorProcess
from bench.observation import gateway_responses, measuring, window
from bench.shop import Shop

WARM_UP_SECONDS = 3
LEAD_SECONDS = 3
_SPARE_CONNECTIONS = 256
_SHORTEST_SECONDS = 1
"""Minimum length of a window that a condition ends: even a busy machine decides orders within it."""
_RAMP_SECONDS = 1  # until all connections are open and busy


def closed_loop(shop: Shop, bodies: Path, *, connections: int, seconds: int, wait: bool) -> dict[str, Any]:
    """Saturation: `connections` customers who each order again as soon as they are answered."""
    url = shop.system.gateway_url
    warm_up(shop, bodies, connections)
    command = load_generator.wrk(url, bodies, connections=connections, seconds=seconds + _RAMP_SECONDS, wait=wait)
    measurement, output = _under_load(shop, command, seconds)
    return {**measurement, "client": asdict(load_generator.parse_wrk(output))}


def open_loop(shop: Shop, bodies: Path, *, connections: int, per_second: int, seconds: int) -> dict[str, Any]:
    """A constant rate, which does not depend on answers while one of `connections` customers is free.

    A 202 answer is a failure: the order was not decided in time.
    """
    warm_up(shop, bodies, 32)
    command = load_generator.wrk(
        shop.system.gateway_url,
        bodies,
        connections=max(_SPARE_CONNECTIONS, connections),
        seconds=seconds + _RAMP_SECONDS,
        per_second=per_second,
    )
    measurement, output = _under_load(shop, command, seconds)
    seen = load_generator.parse_wrk(output)
    seen = replace(seen, failures=seen.failures + measurement["responses"].get("202", 0))
    return {**measurement, "client": asdict(seen), "requested_per_second": per_second}


def load_until(
    shop: Shop, bodies: Path, *, connections: int, is_done: Callable[[], bool], seconds: int
) -> dict[str, Any]:
    """Saturation until `is_done`, measured from LEAD_SECONDS after the start. Raises BenchError after `seconds`."""
    command = load_generator.wrk(shop.system.gateway_url, bodies, connections=connections, seconds=seconds + 30)
    with GeneratorProcess(command, seconds) as process:
        time.sleep(LEAD_SECONDS)
        with measuring(shop, wrk=process.pid) as measurement:
            time.sleep(_SHORTEST_SECONDS)
            shop.wait_until(is_done, seconds, "the condition awaited under load does not hold", interval=2)
        process.stop_early()
        output = process.output()
    return {
        **measurement,
        **window(shop, measurement),
        "client": asdict(load_generator.parse_wrk(output)),
    }


def warm_up(shop: Shop, bodies: Path, connections: int) -> None:
    """Fills caches and connection pools."""
    command = load_generator.wrk(shop.system.gateway_url, bodies, connections=connections, seconds=WARM_UP_SECONDS)
    with GeneratorProcess(command, WARM_UP_SECONDS) as process:
        process.output()


def _under_load(shop: Shop, command: Sequence[str], seconds: int) -> tuple[dict[str, Any], str]:
    before = gateway_responses(shop)
    with GeneratorProcess(command, seconds) as process:
        time.sleep(_RAMP_SECONDS)
        with measuring(shop, wrk=process.pid) as measurement:
            time.sleep(seconds - _RAMP_SECONDS / 2)  # the generator still runs when the window closes
        output = process.output()
    after = gateway_responses(shop)
    drained_after = shop.drain()
    return {
        **measurement,
        **window(shop, measurement),
        "responses": {code: n - before.get(code, 0) for code, n in after.items() if n > before.get(code, 0)},
        "seconds_to_drain": drained_after,
    }, output
