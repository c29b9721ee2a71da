"""Copies changed balances to the statuses of their StockItems."""

import asyncio

from operador.cluster.status_writer import StatusWriter
from operador.decide.outcome import Outcome, assess
from operador.decide.saldo import Saldo
from operador.decide.stockitem import ItemKey
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue
from operador.stock.database import Database, Position
from reservaestoque.telemetry import logger

_log = logger(__name__)


class Balances:
    """Follows estoque's change log. Sets `resync_wanted` when the log no longer has the next changes."""

    def __init__(self, *, database: Database, cache: Cache, queue: WorkQueue, writer: StatusWriter) -> None:
        self._database = database
        self._cache = cache
        self._queue = queue
        self._writer = writer
        self.resync_wanted = asyncio.Event()
        self._position: Position | None = None

    def start(self, position: Position | None) -> None:
        """All changes up to this position have been received: the loop reads what follows. None stops it."""
        self._position = position

    @property
    def position(self) -> Position | None:
        """The position up to which changes have been received; None while stopped."""
        return self._position

    async def step(self) -> bool:
        """Receives a page of changes, once started; returns whether there are more. Raises what asyncpg raises."""
        position = self._position
        if position is None:
            return False
        changes = await self._database.changed_since(position)
        if self._position is not position:
            return True  # a resync, which may have proposed older numbers meanwhile, has requested a reread
        if changes is None:
            _log.warning("position_lost", position=position)
            self._position = None
            self.resync_wanted.set()
            return False
        for saldo in changes.saldos:
            self.receive(saldo)
        self._position = changes.position
        return changes.more

    def receive(self, saldo: Saldo) -> bool:
        """Proposes the resulting status; returns whether a known StockItem declares this row."""
        if saldo.dono is None:
            for waiting in self._cache.sku_released(saldo.sku):
                self._queue.add(waiting)
            return False
        cached = self._cache.get(ItemKey.from_dono(saldo.dono))
        if cached is None or cached.item.sku != saldo.sku:
            return False
        outcome = assess(cached.item, saldo)
        if outcome is Outcome.DIVERGENT:
            self._queue.add(cached.item)
        else:
            self._writer.propose_saldo(cached.item, saldo, outcome)
        return True
