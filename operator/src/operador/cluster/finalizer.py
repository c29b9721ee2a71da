"""The operator's finalizer: attached before a SKU is claimed, detached after it is released.

In this order a crash at any point leaves at worst a StockItem with a finalizer and no claim, never a claimed SKU
whose StockItem can vanish unnoticed.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from operador.cluster.api import ClusterApi, ConflictError, NotFoundError, UnavailableError
from operador.decide.stockitem import FINALIZER, StockItem
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
        self._failures = 0  # batches in a row of which nothing could be changed

    async def attach(self, items: Sequence[StockItem]) -> list[StockItem]:
        """Returns the items that may go to PostgreSQL, in their order: those with our finalizer, and ending ones."""
        missing = [item for item in items if not (item.ending or item.finalized)]
        changed = {item.key: item for item in await self._change_all(missing, with_finalizer)}
        ready = (item if item.ending or item.finalized else changed.get(item.key) for item in items)
        return [item for item in ready if item is not None]

    async def detach(self, items: Sequence[StockItem]) -> None:
        """Removes our finalizer from these items, which no longer own a SKU."""
        await self._change_all(items, without_finalizer)

    async def _change_all(
        self, items: Sequence[StockItem], change: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> list[StockItem]:
        """The changed items. One that could not be changed is delivered again by the watch or the queue."""
        batch = _Batch([], [], [])
        await asyncio.gather(*(self._change(item, change(item.finalizers), batch) for item in items))
        if batch.changed:
            self._failures = 0
        if batch.refused:
            _log.warning("finalizers_not_changed", items=len(batch.refused), fault=str(batch.faults[0]))
            for item in batch.refused:
                self._queue.defer(item, delay(2 + self._failures))
            self._failures += not batch.changed
        return batch.changed

    async def _change(self, item: StockItem, finalizers: tuple[str, ...], batch: "_Batch") -> None:
        async with self._slots:
            if batch.unanswered:
                batch.refused.append(item)
                return
            try:
                changed, status = await self._api.set_finalizers(item, finalizers)
            except NotFoundError:
                return  # the watch will report it
            except ConflictError:
                self._queue.defer(item, delay(0))  # the watch will deliver the newer version
                return
            except UnavailableError as fault:
                batch.faults.append(fault)
                batch.refused.append(item)
                return
        self._cache.observe(changed, status)
        batch.changed.append(changed)


class _Batch(NamedTuple):
    """What became of a batch."""

    changed: list[StockItem]
    refused: list[StockItem]
    faults: list[UnavailableError]

    @property
    def unanswered(self) -> bool:
        """Whether a request got no answer. A further one would wait as long, and the reconciler with it."""
        return any(fault.status == 0 for fault in self.faults)
