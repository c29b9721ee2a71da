"""The state of the system, computed from what its parts answered. Pure: no I/O, no clock."""

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


_NAMES_OF_FIELDS = {
    "at": "em",
    "parts": "partes",
    "orders_per_second": "pedidosPorSegundo",
    "decision": "decisao",
    "dead_letters": "cartas",
    "lapsing": "reservasPorVencer",
    "audit": "conferencia",
    "conflicts": "conflitos",
}


class SystemState(msgspec.Struct, frozen=True, rename=_NAMES_OF_FIELDS):
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


class Look(msgspec.Struct, frozen=True):
    """The answer of one replica: whether it is ready, and its metrics, None if it reported none."""

    part: str
    name: str
    ready: bool
    metrics: Metrics | None = None


class View(msgspec.Struct, frozen=True):
    """The answers of all replicas, and their time in seconds since 1970."""

    at: float
    looks: Sequence[Look]


def state(now: View, before: View | None) -> SystemState:
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


def _metrics_of(view: View, part: str) -> list[Metrics]:
    return [look.metrics for look in view.looks if look.part == part and look.metrics is not None]


def _parts(view: View) -> list[Part]:
    parts: dict[str, list[Replica]] = {}
    for look in view.looks:
        replicas = parts.setdefault(look.part, [])
        if look.name:
            replicas.append(Replica(look.name, look.ready))
    return [Part(name, replicas) for name, replicas in parts.items()]


def _decided(now: View, before: View) -> dict[float, float]:
    """The number of orders decided between two scrapes, by time to decision. A new replica counts from its first
    scrape.
    """
    earlier = {look.name: look.metrics for look in before.looks if look.metrics is not None}
    added: dict[float, float] = {}
    for look in now.looks:
        if look.part != "pedidos" or look.metrics is None or look.name not in earlier:
            continue
        grown = histogram.growth(_buckets(earlier[look.name]), _buckets(look.metrics))
        for bound, count in grown.items():
            added[bound] = added.get(bound, 0.0) + count
    return added


def _buckets(metrics: Metrics) -> dict[float, float]:
    return {float(sample.labels["le"]): sample.value for sample in metrics.all(DECISIONS) if "le" in sample.labels}


def _quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    value = histogram.quantile(share, buckets)
    return None if value is None else round(value, 4)


def _outbox(view: View, service: str) -> Outbox:
    """All replicas read the same table."""
    age = _highest(view, service, AGE)
    return Outbox(_whole(_highest(view, service, DEPTH)), None if age is None else round(age, 1))


def _highest(view: View, part: str, name: str, **labels: str) -> float | None:
    found = (metrics.sum(name, **labels) for metrics in _metrics_of(view, part))
    return max(_finite(found), default=None)


def _audit(view: View) -> Audit:
    told = _metrics_of(view, "conferir")
    violations = list(_finite(metrics.sum(VIOLATIONS) for metrics in told))
    rounds = list(_finite(metrics.earliest(ROUND) for metrics in told))
    return Audit(
        _whole(max(violations, default=None)),
        datetime.fromtimestamp(max(rounds), UTC) if rounds else None,
    )


def _finite(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
