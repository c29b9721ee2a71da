"""A live record of a sale, for the screen and for the account. No I/O."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from reserva import MudancaDoPedido, Pedido, Saldo, Status

_RECENT_SECONDS = 5.0
_MOST_TIMES = 2000


@dataclass
class Journal:
    """Counts and records events. `now` returns the seconds of any clock; times here are seconds since the opening."""

    now: Callable[[], float]
    opened_at: float = 0.0
    listener: Callable[[float, str], None] = lambda _, __: None
    arrived: int = 0
    active: int = 0
    retries: int = 0
    before: Mapping[str, Saldo] = field(default_factory=dict[str, Saldo])
    balances: dict[str, Saldo] = field(default_factory=dict)
    orders: dict[UUID, Pedido] = field(default_factory=dict)
    too_late: set[UUID] = field(default_factory=set)
    doubled: int = 0
    late_sold: int = 0
    abandoned: int = 0
    errors: list[str] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    downtime: dict[str, float] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    pods: dict[str, str] = field(default_factory=dict)
    _statuses: dict[UUID, tuple[int, Status]] = field(default_factory=dict)
    _decided: deque[float] = field(default_factory=deque)
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_TIMES))

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Marks the opening of the sale."""
        self.opened_at = self.now()

    def clock(self) -> float:
        """Seconds since the opening."""
        return self.now() - self.opened_at

    def add_event(self, line: str) -> None:
        """Adds a line to the list of events."""
        moment = self.clock()
        self.events.append((moment, line))
        self.listener(moment, line)

    def record_order(self, pedido: Pedido) -> None:
        """Records the newest view of an order that was answered with 2xx."""
        known = self.orders.get(pedido.pedido_id)
        if known is None or pedido.versao >= known.versao:
            self.orders[pedido.pedido_id] = pedido
        self.record_status(pedido)

    def record_status(self, change: Pedido | MudancaDoPedido) -> None:
        """Records the newest status of an order from any source."""
        versao, _ = self._statuses.get(change.pedido_id, (-1, None))
        if change.versao > versao:
            self._statuses[change.pedido_id] = (change.versao, change.status)

    def record_decision(self, seconds: float) -> None:
        """Records a decision and its time in seconds after the order was sent."""
        self._decided.append(self.clock())
        self._times.append(seconds)

    def per_second(self) -> float:
        """The recent rate of decided orders, per second."""
        now = self.clock()
        while self._decided and self._decided[0] < now - _RECENT_SECONDS:
            self._decided.popleft()
        return len(self._decided) / _RECENT_SECONDS

    def time_to_decision(self) -> tuple[float, float] | None:
        """Median and 99th percentile of the last orders, in seconds."""
        times = sorted(self._times)
        return (times[len(times) // 2], times[len(times) * 99 // 100]) if times else None

    def of_this_sale(self, sku: str) -> Saldo | None:
        """The balance without the units sold in earlier sales; None until known."""
        now, start = self.balances.get(sku), self.before.get(sku)
        if now is None or start is None:
            return None
        sold = start.vendido
        return msgspec.structs.replace(now, quantidade=now.quantidade - sold, vendido=now.vendido - sold)

    def count(self, status: Status) -> int:
        """The number of orders whose last known status is this one."""
        return sum(known == status for _, known in self._statuses.values())
