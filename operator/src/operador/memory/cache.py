"""The operator's knowledge of every StockItem: its newest version, its status, and the SKU that it is waiting for."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from msgspec.structs import replace

from operador.decide.stockitem import ItemKey, Status, StockItem
from operador.memory.rate_limit import RateLimit


@dataclass(slots=True)
class CachedItem:
    """`status` is the one that was last read or sent, None when there is none."""

    item: StockItem
    status: Status | None
    rate_limit: RateLimit = RateLimit()  # noqa: RUF009 (immutable)


def needs_sync(before: CachedItem | None, item: StockItem, status: Status | None) -> bool:
    """Whether a newer version must go to PostgreSQL: not if it only echoes the operator's own write."""
    if before is None or before.item.uid != item.uid or before.item.generation != item.generation:
        return True
    if before.item.deleting != item.deleting or (not item.finalized and not item.deleting):
        return True
    return before.status != status


class Cache:
    """The StockItems of the cluster by namespace and name."""

    def __init__(self) -> None:
        self._items: dict[ItemKey, CachedItem] = {}
        self._tombstones: dict[ItemKey, int] = {}
        self._waiting: dict[str, set[ItemKey]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[CachedItem]:
        return iter(list(self._items.values()))

    @property
    def highest_version(self) -> int:
        """The highest version of all StockItems and of the deletions since the last list; 0 when none is known."""
        known = (cached.item.version for cached in self._items.values())
        return max(chain(known, self._tombstones.values()), default=0)

    def get(self, key: ItemKey) -> CachedItem | None:
        """The cached state of that StockItem."""
        return self._items.get(key)

    def observe(self, item: StockItem, status: Status | None) -> bool:
        """Records a version from the API server; returns whether it needs a sync. Ignores older versions."""
        before = self._items.get(item.key)
        if item.version <= self._version(item.key):
            return False
        sync = needs_sync(before, item, status)
        same = before is not None and before.item.uid == item.uid
        rate_limit = before.rate_limit if before is not None and same else RateLimit()
        self._items[item.key] = CachedItem(item, status, rate_limit)
        return sync

    def contradicts(self, item: StockItem, list_version: int) -> bool:
        """Whether a list of this version cannot have this version of the item, because it covers a newer one."""
        return item.version < self._version(item.key) <= list_version

    def _version(self, key: ItemKey) -> int:
        cached = self._items.get(key)
        return max(cached.item.version if cached is not None else 0, self._tombstones.get(key, 0))

    def remove(self, item: StockItem) -> list[StockItem]:
        """Records that this StockItem is gone; returns what must be released: nothing if a newer one replaced it."""
        before = self._items.get(item.key)
        if before is not None and before.item.version > item.version:
            return [] if before.item.sku == item.sku else [replace(item, gone=True)]
        if before is not None and before.item.uid == item.uid:
            del self._items[item.key]
        self._tombstones[item.key] = item.version
        return [replace(item, gone=True)]

    def newest(self, item: StockItem) -> StockItem:
        """The newest known version of the same object, else the one given."""
        cached = self._items.get(item.key)
        if cached is None or cached.item.uid != item.uid or item.gone:
            return item
        return cached.item

    def drop_tombstones(self) -> None:
        """Forgets deletions. Call only while no list is being read that could be older than these deletions."""
        self._tombstones.clear()

    def contested(self) -> list[str]:
        """The SKUs that StockItems wait for because other StockItems own them."""
        return sorted(sku for sku, keys in self._waiting.items() if any(self._declares(key, sku) for key in keys))

    def _declares(self, key: ItemKey, sku: str) -> bool:
        cached = self._items.get(key)
        return cached is not None and cached.item.sku == sku

    def wait_for_sku(self, item: StockItem) -> None:
        """Records that this item waits until the StockItem that owns its SKU releases it."""
        self._waiting.setdefault(item.sku, set()).add(item.key)

    def sku_released(self, sku: str) -> list[StockItem]:
        """The items that waited for this SKU, which no longer has an owner. Each is returned once."""
        known = (self._items.get(key) for key in self._waiting.pop(sku, ()))
        return [cached.item for cached in known if cached is not None]
