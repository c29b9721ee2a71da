"""The operator's finalizer: attached before a SKU is claimed, detached after it is released.

In this order a crash at any point leaves at worst a StockItem with a finalizer and no claim, never a claimed SKU
whose StockItem can vanish unnoticed.
"""

import asyncio
from collections.abc import Sequence

from operador.cluster.api import ClusterApi, ConflictError, NotFoundError, UnavailableError
from operador.decide.stockitem import FINALIZER, StockItem, read_item, read_status
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue
from reservaestoque.backoff import delay
from reservaestoque.telemetry import logger

_log = logger(__name__)
_AT_ONCE = 16


def with_finalizer(finalizers: tuple[str, ...]) -> tuple[str, ...]:
    """These finalizers plus the operator's."""
    return finalizers if FINALIZER in finalizers else (*finalizers, FINALIZER)


def without_finalizer(finalizers: tuple[str, ...]) -> tuple[str, ...]:
    """These finalizers without the operator's; the others keep their order."""
    return tuple(f for f in finalizers if f != FINALIZER)


class Finalizer:
    """Changes finalizers; an item that cannot be changed now goes back into the work queue."""

    def __init__(self, api: ClusterApi, cache: Cache, queue: WorkQueue) -> None:
        self._api = api
        self._cache = cache
        self._queue = queue
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def attach(self, items: Sequence[StockItem]) -> list[StockItem]:
        """Returns the items that may go to PostgreSQL: those that have our finalizer, or are ending anyway."""
        ready = await asyncio.gather(*(self._attach(item) for item in items))
        return [item for item in ready if item is not None]

    async def detach(self, items: Sequence[StockItem]) -> None:
        """Removes our finalizer from these items, which no longer own a SKU."""
        await asyncio.gather(*(self._change(item, without_finalizer(item.finalizers)) for item in items))

    async def _attach(self, item: StockItem) -> StockItem | None:
        if item.ending or item.finalized:
            return item
        return await self._change(item, with_finalizer(item.finalizers))

    async def _change(self, item: StockItem, finalizers: tuple[str, ...]) -> StockItem | None:
        """The changed item. None if it could not be changed: the watch or the queue then delivers it again."""
        try:
            async with self._slots:
                body = await self._api.set_finalizers(item, finalizers)
        except NotFoundError:
            return None  # the watch will report it
        except ConflictError:
            self._queue.defer(item, delay(0))  # the watch will deliver the newer version
            return None
        except UnavailableError as fault:
            _log.warning("finalizer_not_changed", item=item.key.dono, fault=str(fault))
            self._queue.defer(item, delay(2))
            return None
        changed = read_item(body)
        self._cache.observe(changed, read_status(body))
        return changed
