"""The state of the system as the panel reports it (`GET /painel/sistema`). Pure. Unknown values are None."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import field

from reserva.types import Instant


class Replica(msgspec.Struct, frozen=True):
    """One process of a part; `up` is None if unknown."""

    name: str = field(name="nome")
    up: bool | None = field(name="ativa", default=None)


class Part(msgspec.Struct, frozen=True):
    """A part of the system and its replicas."""

    name: str = field(name="nome")
    replicas: tuple[Replica, ...] = ()


class DecisionTime(msgspec.Struct, frozen=True):
    """Seconds from order to decision over the last interval; None if nothing was decided."""

    p50: float | None = None
    p99: float | None = None


class Outbox(msgspec.Struct, frozen=True):
    """The number of events not published yet, and the age of the oldest in seconds."""

    depth: float | None = field(name="profundidade", default=None)
    age: float | None = field(name="idade", default=None)


class Audit(msgspec.Struct, frozen=True):
    """The number of violations found by the auditor so far, and the time of its last full round."""

    violations: int | None = field(name="violacoes", default=None)
    last: Instant | None = field(name="ultima", default=None)


class SystemState(msgspec.Struct, frozen=True):
    """The state of the parts, with rates and backlogs."""

    at: Instant | None = field(name="em", default=None)
    parts: tuple[Part, ...] = field(name="partes", default=())
    orders_per_second: float | None = field(name="pedidosPorSegundo", default=None)
    decision: DecisionTime | None = field(name="decisao", default=None)
    outbox: Mapping[str, Outbox | None] = field(default_factory=dict[str, Any])
    dead_letters: Mapping[str, int | None] | None = field(name="cartas", default=None)
    lapsing: int | None = field(name="reservasPorVencer", default=None)
    audit: Audit | None = field(name="conferencia", default=None)
