"""The state of the system, computed from the answers of its parts. Pure: no I/O, no clock."""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from painel import histogram
from painel.exposition import Metrics

QUEUES = ("estoque.pedidos", "pedidos.status")
SERVICES = ("pedidos", "estoque")

DECISIONS = "pedidos_decision_seconds_bucket"
DEPTH = "outbox_depth"
AGE = "outbox_oldest_seconds"
RESERVATIONS = "estoque_reservations"
VIOLATIONS = "conferir_violations_total"
ROUND = "conferir_last_round_timestamp_seconds"
CONFLICTS = "operador_conflicting_sku"
MESSAGES = "rabbitmq_detailed_queue_messages"
NAMES = (DECISIONS, DEPTH, AGE, RESERVATIONS, VIOLATIONS, ROUND, CONFLICTS, MESSAGES)

Seconds = Annotated[float, Meta(ge=0)]


class Replica(msgspec.Struct, frozen=True, rename={"name": "nome", "up": "ativa"}):
    """One process of a part, and whether it is ready."""

    name: Annotated[str, Meta(examples=["pedidos-1"])]
    up: bool


class Part(msgspec.Struct, frozen=True, rename={"name": "nome"}):
    """A part of the system. A vanished replica stays listed for a minute."""

    name: Annotated[str, Meta(examples=["pedidos"])]
    replicas: list[Replica]


class DecisionTime(msgspec.Struct, frozen=True):
    """Seconds from an order's creation to its decision, over the last interval; null if none was decided."""

    p50: Seconds | None
    p99: Seconds | None


class Outbox(msgspec.Struct, frozen=True, rename={"depth": "profundidade", "age": "idade"}):
    """The number of facts waiting to be published, and the age of the oldest in seconds."""

    depth: int | None
    age: Seconds | None


class Audit(msgspec.Struct, frozen=True, rename={"violations": "violacoes", "last": "ultima"}):
    """The violations found by conferir since it started, and the time of its last full round."""

    violations: int | None
    last: datetime | None


_FIELD_NAMES = {
    "at": "em",
    "parts": "partes",
    "orders_per_second": "pedidosPorSegundo",
    "decision": "decisao",
    "dead_letters": "cartas",
    "lapsing": "reservasPorVencer",
    "audit": "conferencia",
    "conflicts": "conflitos",
}


class SystemState(msgspec.Struct, frozen=True, rename=_FIELD_NAMES):
    """The state of the system at an instant. Unknown values are null."""

    at: datetime
    parts: list[Part]
    orders_per_second: Annotated[float, Meta(description="Orders decided per second, over the last interval.")] | None
    decision: DecisionTime
    outbox: dict[str, Outbox]
    dead_letters: Annotated[dict[str, int | None], Meta(description="Dead letters by queue.")]
    lapsing: Annotated[int, Meta(description="Reservations that lapse within a minute.")] | None
    audit: Audit
    conflicts: Annotated[list[str], Meta(description="SKUs that several StockItems declare.")]


class ScrapeResult(msgspec.Struct, frozen=True):
    """The answer of one replica: whether it is ready, and its metrics, None if it reported none."""

    part: str
    name: str
    ready: bool
    metrics: Metrics | None = None


class Snapshot(msgspec.Struct, frozen=True):
    """The answers of all replicas, and their time in seconds since 1970."""

    at: float
    results: Sequence[ScrapeResult]


def state(now: Snapshot, before: Snapshot | None) -> SystemState:
    """The state at `now`, with rates and quantiles since `before`."""
    decided = _decided(now, before) if before else {}
    seconds = now.at - before.at if before else 0.0
    known = before is not None and seconds > 0 and any(_metrics_of(now, "pedidos"))
    return SystemState(
        at=datetime.fromtimestamp(now.at, UTC),
        parts=_parts(now),
        orders_per_second=round(histogram.total(decided) / seconds, 2) if known else None,
        decision=DecisionTime(_quantile(0.5, decided), _quantile(0.99, decided)),
        outbox={service: _outbox(now, service) for service in SERVICES},
        dead_letters={queue: _whole(_highest(now, "rabbitmq", MESSAGES, queue=f"{queue}.dlq")) for queue in QUEUES},
        lapsing=_whole(_highest(now, "estoque", RESERVATIONS, state="lapsing")),
        audit=_audit(now),
        conflicts=sorted({s.labels.get("sku", "") for m in _metrics_of(now, "operator") for s in m.all(CONFLICTS)}),
    )


def _metrics_of(snapshot: Snapshot, part: str) -> list[Metrics]:
    return [result.metrics for result in snapshot.results if result.part == part and result.metrics is not None]


def _parts(snapshot: Snapshot) -> list[Part]:
    parts: dict[str, list[Replica]] = {}
    for result in snapshot.results:
        replicas = parts.setdefault(result.part, [])
        if result.name:
            replicas.append(Replica(result.name, result.ready))
    return [Part(name, replicas) for name, replicas in parts.items()]


def _decided(now: Snapshot, before: Snapshot) -> dict[float, float]:
    """The number of orders decided between two scrapes, by time to decision. A new replica counts from its first
    scrape.
    """
    earlier = {result.name: result.metrics for result in before.results if result.metrics is not None}
    added: dict[float, float] = {}
    for result in now.results:
        if result.part != "pedidos" or result.metrics is None or result.name not in earlier:
            continue
        grown = histogram.growth(_buckets(earlier[result.name]), _buckets(result.metrics))
        for bound, count in grown.items():
            added[bound] = added.get(bound, 0.0) + count
    return added


def _buckets(metrics: Metrics) -> dict[float, float]:
    return {float(sample.labels["le"]): sample.value for sample in metrics.all(DECISIONS) if "le" in sample.labels}


def _quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    value = histogram.quantile(share, buckets)
    return None if value is None else round(value, 4)


def _outbox(snapshot: Snapshot, service: str) -> Outbox:
    """The highest values, because all replicas read the same table."""
    age = _highest(snapshot, service, AGE)
    return Outbox(_whole(_highest(snapshot, service, DEPTH)), None if age is None else round(age, 1))


def _highest(snapshot: Snapshot, part: str, name: str, **labels: str) -> float | None:
    found = (metrics.sum(name, **labels) for metrics in _metrics_of(snapshot, part))
    return max(_finite(found), default=None)


def _audit(snapshot: Snapshot) -> Audit:
    reported = _metrics_of(snapshot, "conferir")
    violations = list(_finite(metrics.sum(VIOLATIONS) for metrics in reported))
    rounds = list(_finite(metrics.earliest(ROUND) for metrics in reported))
    return Audit(
        _whole(max(violations, default=None)),
        datetime.fromtimestamp(max(rounds), UTC) if rounds else None,
    )


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
