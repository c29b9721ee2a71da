"""Observes a running system: CPU time, metrics, gateway responses, timestamps in its databases."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx
import psutil

from bench import cpu
from bench.shop import BenchError, Shop


@contextmanager
def measuring(shop: Shop, **own: int) -> Iterator[dict[str, Any]]:
    """Measures the block. Fills the dictionary with `start`, `end` (time.time()), `measured_seconds`, `cpu` (seconds
    by name), `mib` (memory by name, before and after) and `wal` (bytes by database). `own`: pids of our own processes
    by name.
    """
    measurement: dict[str, Any] = {}
    with shop.observer():
        wal = wal_positions(shop)
        start, before = time.time(), _sample(shop, own)
        yield measurement
        end, after = time.time(), _sample(shop, own)
        measurement["wal"] = wal_since(shop, wal)
    measurement |= {"start": start, "end": end, "measured_seconds": end - start}
    measurement |= {
        "cpu": cpu.spent(before, after),
        "mib": {"before": cpu.memory(before), "after": cpu.memory(after)},
    }


def wal_positions(shop: Shop) -> dict[str, int]:
    """The position of the write-ahead log of each database of the system, in bytes."""
    query = "select pg_current_wal_insert_lsn() - '0/0';"
    databases = [name for name in ("pedidos", "estoque") if f"postgres-{name}" in shop.system.names()]
    return {database: int(shop.psql(database, query)) for database in databases}


def wal_since(shop: Shop, positions: Mapping[str, int]) -> dict[str, int]:
    """Bytes written to the write-ahead log of each database since `positions`."""
    return {database: position - positions[database] for database, position in wal_positions(shop).items()}


def _sample(shop: Shop, own: Mapping[str, int]) -> cpu.Sample:
    parts = {name: state.pid for name, state in shop.system.states().items() if state.pid}
    return cpu.take_sample(parts, {"bench": psutil.Process().pid, **own})


def window(shop: Shop, measurement: Mapping[str, Any]) -> dict[str, Any]:
    """The orders decided by pedidos during the measurement, and `per_second`. Raises BenchError if there are none."""
    seen = json.loads(shop.sql("pedidos", "window", start=measurement["start"], end=measurement["end"]))
    if not seen["decided"]:
        raise BenchError(f"nothing was decided within {measurement['measured_seconds']:.1f} s")
    return {"window": seen, "per_second": seen["decided"] / measurement["measured_seconds"]}


def events_by_replica(shop: Shop) -> dict[str, float]:
    """Events decided by each replica of estoque; 0 while it does not answer."""
    return {name: _events(shop, name) for name in shop.system.names("estoque")}


def _events(shop: Shop, replica: str) -> float:
    try:
        text = shop.http.get(f"{shop.system.metrics_url(replica)}/metrics").text
    except httpx.HTTPError:
        return 0.0
    return sum(map(float, re.findall(r"^consumer_events_total\{[^}]*\} (\S+)", text, re.M)))


def decided_by_replica(shop: Shop, before: Mapping[str, float]) -> dict[str, float]:
    """Events decided by each replica since `before`. Raises BenchError if a replica has decided none."""
    now = events_by_replica(shop)
    decided = {name: events - before.get(name, 0.0) for name, events in now.items()}
    if not all(decided.values()):
        raise BenchError(f"not every replica of estoque has decided orders: {decided}")
    return decided


def gateway_responses(shop: Shop) -> dict[str, int]:
    """Responses of pedidos through the gateway, by HTTP status."""
    url = f"http://127.0.0.1:{shop.system.layout.ports.gateway_admin}/stats"
    text = shop.http.get(url, params={"filter": r"^cluster\.pedidos\.upstream_rq_\d\d\d$"}).text
    return {code: int(n) for code, n in re.findall(r"upstream_rq_(\d\d\d): (\d+)", text)}
