"""The work queue: StockItems that wait for PostgreSQL, each in its latest version, some deferred to a later time."""

import asyncio
import heapq
from collections.abc import Callable

from operador.decide.stockitem import ItemKey, StockItem

# When a thousand items are applied, they arrive over some time, and one SQL call should process many of them. So a
# batch waits for more items as long as they arrive within the first period, but no longer than the second.
_GATHER_SECONDS = 0.02
_LONGEST_GATHER_SECONDS = 0.2

_Slot = tuple[ItemKey, str]


class WorkQueue:
    """One entry per StockItem and SKU. `clock` returns monotonic seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: dict[_Slot, StockItem] = {}
        self._since: dict[_Slot, float] = {}
        self._taken: dict[_Slot, float] = {}
        self._retried: dict[_Slot, float] = {}
        self._deferred: dict[_Slot, tuple[float, StockItem]] = {}
        self._schedule: list[tuple[float, _Slot]] = []
        self._wakeup = asyncio.Event()

    def __len__(self) -> int:
        return len(self._ready) + len(self._deferred)

    @property
    def ready(self) -> int:
        """The number of items ready to be taken."""
        return len(self._ready)

    @property
    def oldest_seconds(self) -> float:
        """Seconds since the longest-waiting item became ready, including processing and retries; 0 if none."""
        since = min((*self._since.values(), *self._taken.values(), *self._retried.values()), default=None)
        return 0.0 if since is None else self._clock() - since

    def add(self, item: StockItem) -> None:
        """Queues an item for immediate processing. Replaces an older version, yields to a newer one."""
        slot = (item.key, item.sku)
        waiting = self._ready.get(slot)
        if waiting is not None and waiting.version > item.version:
            return
        self._deferred.pop(slot, None)
        self._ready[slot] = item
        self._since.setdefault(slot, self._retried.pop(slot, self._clock()))
        self._wakeup.set()

    def defer(self, item: StockItem, seconds: float) -> None:
        """Queues an item to be processed after `seconds`, unless something newer arrives first."""
        slot = (item.key, item.sku)
        if slot in self._ready:
            return
        when = self._clock() + seconds
        self._deferred[slot] = (when, item)
        heapq.heappush(self._schedule, (when, slot))
        self._wakeup.set()

    def retry(self, item: StockItem, seconds: float) -> None:
        """Like `defer`, for an item that was taken and could not be processed: its waiting time continues."""
        slot = (item.key, item.sku)
        since = self._taken.pop(slot, self._clock())
        if slot in self._ready:
            self._since[slot] = since
        else:
            self._retried[slot] = since
            self.defer(item, seconds)

    async def take(self, limit: int, max_wait: float) -> list[StockItem]:
        """Takes up to `limit` items, oldest first; an empty list when none becomes ready within `max_wait` seconds.

        The items of the previous call count as processed.
        """
        self._taken.clear()
        if not self._promote():
            self._wakeup.clear()
            try:
                async with asyncio.timeout(min(max_wait, self._next_due())):
                    await self._wakeup.wait()
            except TimeoutError:
                pass
            self._promote()
        await self._gather(limit)
        slots = list(self._ready)[:limit]
        self._taken = {slot: self._since.pop(slot) for slot in slots}
        return [self._ready.pop(slot) for slot in slots]

    async def _gather(self, limit: int) -> None:
        """Waits for more items while they keep arriving."""
        for _ in range(round(_LONGEST_GATHER_SECONDS / _GATHER_SECONDS)):
            count = len(self._ready)
            if not 0 < count < limit:
                return
            await asyncio.sleep(_GATHER_SECONDS)
            self._promote()
            if len(self._ready) == count:
                return

    def _next_due(self) -> float:
        return max(self._schedule[0][0] - self._clock(), 0.0) if self._schedule else float("inf")

    def _promote(self) -> bool:
        """Makes deferred items whose time has come ready; returns whether any item is ready."""
        now = self._clock()
        while self._schedule and self._schedule[0][0] <= now:
            when, slot = heapq.heappop(self._schedule)
            deferred = self._deferred.get(slot)
            if deferred is not None and deferred[0] == when:
                del self._deferred[slot]
                self._ready.setdefault(slot, deferred[1])
                self._since.setdefault(slot, self._retried.pop(slot, now))
        return bool(self._ready)
