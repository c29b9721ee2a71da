"""Ends lapsed reservations: a loop that starts with the program and does not depend on Kubernetes."""

from collections.abc import Callable
from datetime import timedelta

from prometheus_client import Counter, Gauge

from operador.stock.database import Database
from reservaestoque.periodic import Pace
from reservaestoque.telemetry import logger

BATCH = 500
PAUSE = timedelta(seconds=0.08)
"""Between full batches. No order waits for the sweep's result, since estoque releases lapsed units on its own, but
orders do wait for the rows that it locks, and their decisions queue behind its events. A million reservations are
still swept in about four minutes.
"""

_log = logger(__name__)
_swept = Counter("operador_reservas_swept_total", "Lapsed reservations swept")
_lag = Gauge("operador_sweep_lag_seconds", "Upper bound of the age of the oldest lapsed reservation not swept yet")
_last_sweep = Gauge("operador_last_sweep_timestamp_seconds", "When a sweep last found nothing more to do")


def pace(every: timedelta) -> Pace:
    """The pace of sweeps, which limits how much a large sweep slows down orders."""
    return Pace(every=every, between=PAUSE, longest=5.0)


class Lag:
    """Upper bound of the sweep's lag. `clock` returns monotonic seconds.

    Reservations that lapsed after the last measurement are not visible yet, so the lag grows from that measurement,
    even while the database is unavailable or the loop hangs.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()

    def measured(self, seconds: float) -> None:
        """Records how long ago the oldest unswept reservation lapsed; 0 when there is none."""
        self._since = self._clock() - seconds

    def seconds(self) -> float:
        """The lag now."""
        return self._clock() - self._since


class Sweep:
    """Sweeps in bounded batches."""

    def __init__(self, database: Database, lag: Lag) -> None:
        self._database = database
        self._lag = lag
        _lag.set_function(lag.seconds)

    async def step(self) -> bool:
        """Sweeps a batch; returns whether it was full, in which case more may be due. Raises what asyncpg raises."""
        swept = await self._database.sweep(BATCH)
        self._lag.measured(await self._database.sweep_lag())
        _swept.inc(swept)
        if swept:
            _log.info("reservas_swept", count=swept)
        if swept == BATCH:
            return True
        _last_sweep.set_to_current_time()
        return False
