"""Grown databases: full of past orders and SKUs, created once and kept."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench import end_to_end
from bench.distribution import SKUS
from bench.plan import Measure, Measurement, Plan
from bench.shop import BenchError, Shop
from local_system import Config, Ports, System

_BATCH = 1_000_000
_DONE_FILE = "done.json"
_DATABASES = ("pedidos", "estoque")
_PAST = {"pedidos": "past_pedidos", "estoque": "past_estoque"}


def grow(folder: Path, plan: Plan, report: Callable[[str], None]) -> str:
    """Creates `plan.past_orders` final orders over `plan.skus` SKUs in a separate system; reports time and sizes."""
    state = _state(folder)
    if state.exists():
        (state / _DONE_FILE).unlink(missing_ok=True)
        System(Config(state=state)).clean()
    started = time.monotonic()
    config = Config(state=state, ports=Ports.free(), parts={f"postgres-{database}" for database in _DATABASES})
    with System(config) as system:
        shop = Shop(system, folder / "work")
        shop.reset(skus=plan.skus)
        _fill(shop, plan, report)
        sizes = {
            database: shop.psql(database, "select pg_size_pretty(pg_database_size(current_database()));")
            for database in _DATABASES
        }
        report(shop.conferir())
    completed = {
        "orders": plan.past_orders,
        "skus": plan.skus,
        "seconds": time.monotonic() - started,
        "sizes": sizes,
    }
    (state / _DONE_FILE).write_text(json.dumps(completed) + "\n")
    return f"{plan.past_orders:,} orders and {plan.skus:,} SKUs in {completed['seconds']:,.0f} s: {sizes}"


def _fill(shop: Shop, plan: Plan, report: Callable[[str], None]) -> None:
    until = round(time.time()) - 2 * 24 * 3600
    for first in range(1, plan.past_orders + 1, _BATCH):
        last = min(first + _BATCH - 1, plan.past_orders)
        _in_both(partial(_append, shop, plan, until, first, last))
        report(f"{last:,} orders")
    shop.sql("estoque", "sold")
    _in_both(lambda database: shop.psql(database, "vacuum analyze;", seconds=3600))
    shop.checkpoint()


def _append(shop: Shop, plan: Plan, until: int, first: int, last: int, database: str) -> str:
    count, skus = plan.past_orders, plan.skus
    return shop.sql(database, _PAST[database], first=first, last=last, until=until, count=count, skus=skus)


def _in_both(work: Callable[[str], str]) -> None:
    """Runs in parallel: each database has its own server."""
    with ThreadPoolExecutor(len(_DATABASES)) as pool:
        list(pool.map(work, _DATABASES))


def saturated(*, all_skus: bool) -> Measure:
    """Saturation on the grown databases, over the usual SKUs or all of them; the empty system is down during it."""

    def measure(shop: Shop, plan: Plan) -> Measurement:
        state = _state(shop.folder.parent)
        if not (state / _DONE_FILE).exists():
            raise BenchError("there are no grown databases; create them with `python -m bench grow`")
        grown = json.loads((state / _DONE_FILE).read_text())
        skus = grown["skus"] if all_skus else SKUS
        shop.system.down()
        try:
            with System(Config(state=state, settings=shop.system.config.settings)) as system:
                grown_shop = Shop(system, shop.folder)
                measurement = end_to_end.saturate(grown_shop, plan, "uniform", 3, skus=skus)
                grown_shop.drain()
        finally:
            shop.system.up()
        return {**measurement, "grown": grown}

    return measure


def conferir(shop: Shop) -> str:
    """Audits the grown databases, which takes minutes. Raises BenchError with the violations."""
    with System(
        Config(state=_state(shop.folder.parent), parts={f"postgres-{database}" for database in _DATABASES})
    ) as system:
        return Shop(system, shop.folder).conferir()


def _state(folder: Path) -> Path:
    return folder / "grown"
