"""Writes a batch of StockItems to PostgreSQL; an item that PostgreSQL rejects does not block the others."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import Counter, Histogram

from operador.decide.saldo import Saldo
from operador.decide.stockitem import StockItem
from operador.stock.database import Database
from reservaestoque.postgres import is_contended, is_transient
from reservaestoque.telemetry import logger

MAX_BLOCKED = 8
"""Maximum number of locked rows to isolate by bisection: each costs a lock timeout. The other items then wait."""

_log = logger(__name__)
_batch_items = Histogram(
    "operador_batch_items", "StockItems in one SQL call", buckets=(1, 2, 5, 10, 25, 50, 100, 250, 500)
)
_rejected = Counter("operador_rejected_items_total", "StockItems that PostgreSQL rejected")


@dataclass(slots=True)
class SyncResult:
    """`synced`: each item with its row (None: there is none). `rejected`: each item with PostgreSQL's message.
    `blocked`: items whose row another session keeps locked.
    """

    synced: list[tuple[StockItem, Saldo | None]] = field(default_factory=list)
    rejected: list[tuple[StockItem, str]] = field(default_factory=list)
    blocked: list[StockItem] = field(default_factory=list)


async def sync(database: Database, items: Sequence[StockItem]) -> SyncResult:
    """Synchronises all items in one statement; bisects when PostgreSQL rejects their data or a row is locked.

    Raises an error that `is_transient` recognises when the database is unavailable; the outcome is then unknown.
    """
    result = SyncResult()
    await _sync_or_bisect(database, items, result)
    return result


async def _sync_or_bisect(database: Database, items: Sequence[StockItem], result: SyncResult) -> None:
    if not items:
        return
    try:
        saldos = await database.sync(items)
    except Exception as fault:
        contended = is_contended(fault)
        if is_transient(fault) and not contended:
            raise
        if contended and (len(items) == 1 or len(result.blocked) >= MAX_BLOCKED):
            result.blocked += items
            return
        if len(items) == 1:
            _rejected.inc()
            _log.error("item_rejected", item=items[0].key.dono, fault=repr(fault))
            result.rejected.append((items[0], str(fault)))
            return
        half = len(items) // 2
        await _sync_or_bisect(database, items[:half], result)
        await _sync_or_bisect(database, items[half:], result)
        return
    _batch_items.observe(len(items))
    result.synced.extend((item, saldos.get((item.key.dono, item.sku))) for item in items)
