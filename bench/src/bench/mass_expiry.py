"""Mass expiry: very many reservations lapse at once and are swept, or lapse and are never swept."""

import time

from bench import end_to_end, load
from bench.distribution import SKUS
from bench.plan import Measurement, Plan
from bench.shop import BenchError, Shop, stopped

_RESERVAS_PER_SECOND = 4_000  # a safe lower bound: none may lapse before all exist
_SWEEP_SECONDS = 600
_DELIVER_SECONDS = 3600


def all_at_once(shop: Shop, plan: Plan) -> Measurement:
    """Orders per second from the instant at which all lapse until all are swept; `before` is measured just before."""
    shop.reset()
    lapse_at = round(time.time() + 20 + plan.reservas / _RESERVAS_PER_SECOND + 2 * plan.seconds)
    shop.insert_reservas(plan.reservas, lapse_at=lapse_at, skus=SKUS)
    saturation_before = end_to_end.saturate(shop, plan, "uniform", 3)
    bodies = shop.bodies("uniform", 3)
    if time.time() > lapse_at - load.LEAD_SECONDS:
        raise BenchError("inserting the reservations took too long: they have lapsed already")
    time.sleep(lapse_at - load.LEAD_SECONDS - time.time())
    measurement = load.load_until(
        shop,
        bodies,
        connections=plan.connections,
        is_done=lambda: _swept(shop, "estoque", lapse_at),
        seconds=_SWEEP_SECONDS,
    )
    shop.wait_until(
        lambda: _swept(shop, "pedidos", lapse_at), _DELIVER_SECONDS, "pedidos has not received every expiry notice"
    )
    shop.drain()
    return {**measurement, "before": saturation_before, "seconds_until_swept": measurement["end"] - lapse_at}


def never_swept(shop: Shop, plan: Plan) -> Measurement:
    """Lapsed reservations hold the whole hot SKU and the operator is down: each order releases what it needs."""
    with stopped(shop.system, "operator"):
        shop.reset(hot_units=plan.reservas)
        shop.insert_reservas(plan.reservas, lapse_at=round(time.time()) - 60, skus=1)
        measurement = end_to_end.saturate(shop, plan, "hot", 3)
        # pedidos keeps following up on the lapsed reservations, so the system is never at rest.
        measurement["conferir"] = shop.conferir(at_rest=False)
        shop.reset()
    return measurement


def _swept(shop: Shop, database: str, lapse_at: float) -> bool:
    return shop.sql(database, "unswept", lapse_at=lapse_at) == "f"
