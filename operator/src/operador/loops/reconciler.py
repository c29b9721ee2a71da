"""Writes the items in the work queue to PostgreSQL, a batch at a time, and acts on the resulting rows."""

from collections.abc import Sequence

from prometheus_client import Gauge

from operador.cluster.finalizer import Finalizer
from operador.cluster.status_writer import StatusWriter
from operador.decide.outcome import Outcome, assess, awaits_database
from operador.decide.saldo import Saldo
from operador.decide.stockitem import StockItem
from operador.loops.balances import Balances
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue
from operador.stock.database import Database
from operador.stock.sync import SyncResult, sync
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger, tracing

BATCH = 500
_TAKE_TIMEOUT = 5.0
_CONFLICT_SECONDS = 30.0
_BLOCKED_SECONDS = 2.0
_REJECTED_SECONDS = 60.0
_DIVERGENT_SECONDS = 0.5
_OUTAGE_SECONDS = 0.5
_NO_DATABASE = ("DatabaseUnavailable", "The stock database does not answer; the operator retries until it does")

_log = logger(__name__)
_known = Gauge("operador_stockitems", "StockItems that the operator knows")
_waiting = Gauge("operador_waiting_items", "StockItems waiting to be synchronised")
_lag = Gauge("operador_sync_lag_seconds", "How long the longest-waiting StockItem has waited to be synchronised")
_conflicting = Gauge("operador_conflicting_sku", "1 for each SKU that several StockItems declare", ["sku"])
_MAX_CONFLICTS = 100


class Reconciler:
    """Reconciles a batch per step. `deletion_seconds`: between checks of a deletion that waits for reservations."""

    def __init__(
        self,
        *,
        database: Database,
        queue: WorkQueue,
        cache: Cache,
        finalizer: Finalizer,
        writer: StatusWriter,
        balances: Balances,
        deletion_seconds: float,
    ) -> None:
        self._database = database
        self._queue = queue
        self._cache = cache
        self._finalizer = finalizer
        self._writer = writer
        self._balances = balances
        self._deletion_seconds = deletion_seconds
        self._shown: list[str] = []
        _lag.set_function(lambda: queue.oldest_seconds)

    async def step(self) -> bool:
        """Waits a few seconds for the next batch and reconciles it; there is always more to do.

        Raises what asyncpg raises when the database is unavailable; the items then wait in the queue.
        """
        batch = await self._queue.take(BATCH, _TAKE_TIMEOUT)
        _known.set(len(self._cache))
        _waiting.set(len(self._queue))
        self._show_conflicts()
        if batch:
            with tracing.span("reconcile", attributes={"reservaestoque.stockitems": len(batch)}):
                await self._reconcile([self._cache.newest(item) for item in batch])
        return True

    async def _reconcile(self, batch: Sequence[StockItem]) -> None:
        items = await self._finalizer.attach(batch)
        before = self._balances.position
        try:
            result = await sync(self._database, items)
        except Exception as fault:
            if is_transient(fault):
                self._defer(items)
            raise
        await self._act(result)
        if before is not None and self._balances.position != before:
            # Newer balances may already have been proposed, so read the changes again.
            self._balances.start(before)

    def _show_conflicts(self) -> None:
        contested = self._cache.contested()[:_MAX_CONFLICTS]
        if contested == self._shown:
            return
        self._shown = contested
        _conflicting.clear()
        for sku in contested:
            _conflicting.labels(sku).set(1)

    async def _act(self, result: SyncResult) -> None:
        for item, message in result.rejected:
            self._writer.propose_unsynced(item, "Rejected", f"The stock database rejects it: {message}")
            self._queue.defer(item, _REJECTED_SECONDS)
        for item in result.blocked:
            _log.warning("item_blocked", item=item.key.dono, sku=item.sku)
            self._queue.retry(item, _BLOCKED_SECONDS)
        released = [item for item, saldo in result.synced if self._follow_up(item, saldo) is Outcome.RELEASED]
        await self._finalizer.detach([item for item in released if item.finalized and not item.gone])
        for item in released:
            for waiting in self._cache.sku_released(item.sku):
                self._queue.add(waiting)

    def _follow_up(self, item: StockItem, saldo: Saldo | None) -> Outcome:
        """Queues the follow-up work for the row; returns the row's outcome."""
        outcome = assess(item, saldo)
        match outcome:
            case Outcome.DIVERGENT:
                self._queue.defer(item, _DIVERGENT_SECONDS)
            case Outcome.CONFLICT:
                self._cache.wait_for_sku(item)
                self._queue.defer(item, _CONFLICT_SECONDS)
            case Outcome.DELETING:
                self._queue.defer(item, self._deletion_seconds)
            case _:
                pass
        if saldo is not None and outcome not in {Outcome.RELEASED, Outcome.DIVERGENT}:
            self._writer.propose_saldo(item, saldo, outcome)
        return outcome

    def _defer(self, items: Sequence[StockItem]) -> None:
        _log.warning("sync_deferred", waiting=len(self._queue) + len(items))
        for item in items:
            cached = self._cache.get(item.key)
            if cached is not None and awaits_database(item, cached.status):
                self._writer.propose_unsynced(item, *_NO_DATABASE)
            self._queue.retry(item, _OUTAGE_SECONDS)
