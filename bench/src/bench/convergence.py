"""Measures how fast the operator converges StockItems, compared with a bare client of the API server.

On a separate system: raw creates and status patches with the operator stopped; a backlog, which the operator finds at
start-up; StockItems created while it runs; raw again, since a shared machine changes its speed. Then a restart with
all of them. All objects are new: patching an existing status costs the API server a third more.
"""

import asyncio
import time
from statistics import mean

from bench.observation import measuring
from bench.plan import Measurement, Plan
from bench.shop import Shop
from bench.stock_items import StockItems
from local_system import Config, Ports, System

_NAMESPACES = ("raw", "backlog", "live")
_PATIENCE_SECONDS = 1800


def converge(shop: Shop, plan: Plan) -> Measurement:
    """StockItems of a backlog Synced per second, from the start of the operator. The empty system is down."""
    state = shop.folder.parent / "convergence"
    if state.exists():
        System(Config(state=state)).clean()
    shop.system.down()
    try:
        with System(Config(state=state, ports=Ports.free(), parts={"operator"})) as system:
            return asyncio.run(_converge(Shop(system, shop.folder), plan.stock_items))
    finally:
        shop.system.up()


async def _converge(shop: Shop, count: int) -> Measurement:
    for namespace in _NAMESPACES:
        shop.system.kubectl("create", "namespace", namespace)
    shop.system.stop("operator")
    async with StockItems(shop.system) as stock_items:
        first_raw = await _raw(shop, stock_items, count)
        backlog = await _backlog(shop, stock_items, count)
        live = await _live(shop, stock_items, count)
        shop.system.stop("operator")
        second_raw = await _raw(shop, stock_items, count)
    rates = ("creates_per_second", "patches_per_second")
    raw = {rate: mean((first_raw[rate], second_raw[rate])) for rate in rates}
    return {**backlog, "raw": {**raw, "runs": [first_raw, second_raw]}, "live": live, "restart": _restart(shop)}


async def _raw(shop: Shop, stock_items: StockItems, count: int) -> Measurement:
    """The rates of a bare client without the operator. `cpu` is that of the patches."""
    creating = await stock_items.create("raw", count)
    with measuring(shop) as measurement:
        patching = await stock_items.patch_status("raw", count)
    await stock_items.delete_all("raw")
    return {**measurement, "creates_per_second": count / creating, "patches_per_second": count / patching}


async def _backlog(shop: Shop, stock_items: StockItems, count: int) -> Measurement:
    await stock_items.create("backlog", count)
    with measuring(shop) as measurement:
        started = time.monotonic()
        _, synced_at = await asyncio.gather(
            asyncio.to_thread(shop.system.start, "operator"),
            stock_items.until_synced("backlog", count, seconds=_PATIENCE_SECONDS),
        )
    return {**measurement, "per_second": count / (synced_at - started)}


async def _live(shop: Shop, stock_items: StockItems, count: int) -> Measurement:
    with measuring(shop) as measurement:
        started = time.monotonic()
        _, synced_at = await asyncio.gather(
            stock_items.create("live", count),
            stock_items.until_synced("live", count, seconds=_PATIENCE_SECONDS),
        )
    return {**measurement, "per_second": count / (synced_at - started)}


def _restart(shop: Shop) -> Measurement:
    """Time, CPU and memory until the operator is ready with the StockItems of backlog and live."""
    with measuring(shop) as measurement:
        shop.system.start("operator")
    return measurement
