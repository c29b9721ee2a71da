"""The full resync: finds changes that a watch can miss, and manual changes of rows."""

import asyncio
from collections.abc import Callable

from msgspec.structs import replace
from prometheus_client import Counter, Gauge

from operador.cluster.api import ClusterApi
from operador.decide.outcome import abandoned, awaits_database
from operador.decide.saldo import Saldo
from operador.decide.stockitem import ItemKey, read_item, read_status
from operador.loops.balances import Balances
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue
from operador.stock.database import Database
from reservaestoque.telemetry import logger

_log = logger(__name__)
_undeclared = Gauge("operador_rows_without_stockitem", "Sellable stock rows that no StockItem declares")
_resyncs = Counter("operador_resyncs_total", "Full resyncs completed")


class HistoryRewoundError(Exception):
    """etcd was restored from an older backup, so versions no longer show which object is newer.

    Either a list has a lower version than was known, or the list's version has risen again, by later writes or by
    `--bump-revision`, and a StockItem in it has an older version than was known.
    """


class Resync:
    """Lists everything and compares it with all rows, for the first time once the watch has begun.

    `defined` is set when the API server knows StockItems, so that they can be watched; `compared` when the first list
    has been compared; `wake` when the next resync must start at once. `beat` is called for each page.
    """

    def __init__(
        self,
        *,
        api: ClusterApi,
        database: Database,
        cache: Cache,
        queue: WorkQueue,
        balances: Balances,
        namespace: str,
        beat: Callable[[], None],
    ) -> None:
        self._api = api
        self._database = database
        self._cache = cache
        self._queue = queue
        self._balances = balances
        self._namespace = namespace
        self.wake = balances.resync_wanted
        self._beat = beat
        self.defined, self.compared = asyncio.Event(), asyncio.Event()
        self._list_version = 0
        self._watched = False
        self._watch_version = 0

    def watch_began(self, version: int) -> None:
        """The watch begins, or begins again, at this version: a list must cover everything up to it."""
        self._watch_version, self._watched = version, True
        self.wake.set()

    async def step(self) -> bool:
        """Resyncs, unless nothing is being watched yet.

        Raises ClusterError, what asyncpg raises, and HistoryRewoundError: after the latter everything in memory is
        invalid, and the program must restart.
        """
        if not self.defined.is_set():
            await self._api.probe()
            self.defined.set()
        if self._watched:
            await self._list()
            await self._compare()
            self.compared.set()
            _resyncs.inc()
        return False

    async def _list(self) -> None:
        """Observes every StockItem. An item whose status shows that it is stale is queued without a comparison."""
        seen: set[ItemKey] = set()
        # On an API server that has lost nothing, a list covers everything that was known before its request.
        known = max(self._list_version, self._cache.highest_version)
        list_version = 0
        async for bodies, list_version in self._api.pages(not_before=self._oldest_acceptable(known)):
            self._beat()
            if list_version < known:
                raise HistoryRewoundError(f"the list has version {list_version}, but version {known} was known")
            for body in bodies:
                item, status = read_item(body), read_status(body)
                seen.add(item.key)
                if self._cache.contradicts(item, list_version):
                    what = f"{item.key.dono} has version {item.version} in a list of version {list_version}"
                    raise HistoryRewoundError(f"{what}, but a version in between was known")
                if self._cache.observe(item, status) and awaits_database(item, status):
                    self._queue.add(item)
        self._list_version = list_version
        self._remove_vanished(seen, list_version)
        self._cache.drop_tombstones()

    def _oldest_acceptable(self, known: int) -> int:
        """The lowest version that the list may have; 0 requests the newest list.

        After a new watch, the version at which it began suffices, because the watch reports everything later, unless
        a later version is already known. Every other list must be the newest.
        """
        version, self._watch_version = self._watch_version, 0
        return version if version >= known else 0

    def _remove_vanished(self, seen: set[ItemKey], list_version: int) -> None:
        for cached in self._cache:
            item = cached.item
            if item.key not in seen and item.version < list_version:
                _log.warning("stockitem_vanished_unseen", item=item.key.dono)
                for gone in self._cache.remove(replace(item, version=list_version)):
                    self._queue.add(gone)

    async def _compare(self) -> None:
        """Compares every row with its StockItem, and queues the ones that differ."""
        position, with_row, undeclared = await self._database.newest_change(), set[ItemKey](), list[str]()
        async for saldos in self._database.pages():
            self._beat()
            for saldo in saldos:
                if self._balances.receive(saldo):
                    with_row.add(ItemKey.from_dono(saldo.dono or ""))
                elif self._in_namespace(saldo) and saldo.situacao == "Encerrando":
                    self._queue.add(abandoned(saldo))
                elif self._in_namespace(saldo) and saldo.situacao != "Encerrado":
                    undeclared.append(saldo.sku)
        self._balances.start(position)
        for cached in self._cache:
            item = cached.item
            if item.key not in with_row or item.ending or not item.finalized:
                self._queue.add(item)
        self._report(undeclared)

    def _report(self, undeclared: list[str]) -> None:
        _undeclared.set(len(undeclared))
        if undeclared:
            # The operator leaves them sellable. What to do about a lost StockItem is the shop's decision.
            _log.warning("rows_without_stockitem", count=len(undeclared), skus=undeclared[:20])

    def _in_namespace(self, saldo: Saldo) -> bool:
        return not self._namespace or saldo.dono is None or saldo.dono.startswith(f"{self._namespace}/")
