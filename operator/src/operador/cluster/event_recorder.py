"""Posts Kubernetes Events separately from the statuses: they can wait, and can be dropped."""

import asyncio
import itertools
from collections.abc import Callable

from prometheus_client import Counter

from operador.cluster.api import ClusterApi, ClusterError
from operador.decide.k8s_events import K8sEvent
from operador.decide.stockitem import StockItem
from reservaestoque.telemetry import logger

_CAPACITY = 20_000
_NORMAL_CAPACITY = 1_000
_PAUSE = 0.04
_NORMAL_PAUSE_UNDER_LOAD = 1.0

_log = logger(__name__)
_posted = Counter("operador_k8s_events_total", "Kubernetes Events posted", ["reason"])
_dropped = Counter("operador_k8s_events_dropped_total", "Kubernetes Events that were not posted")


class EventRecorder:
    """A bounded queue of Events, posted at a bounded rate: applying ten thousand StockItems must not cost as many
    Events.

    Events that do not fit, or cannot be posted, are dropped: the conditions contain the same information. Warnings
    are posted first, Normal events are dropped first.
    """

    def __init__(self, api: ClusterApi) -> None:
        self._api = api
        self._queue: asyncio.PriorityQueue[tuple[bool, int, StockItem, K8sEvent]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()

    def record(self, item: StockItem, event: K8sEvent) -> None:
        """Queues an Event for posting."""
        normal = event.type != "Warning"
        if self._queue.qsize() < (_NORMAL_CAPACITY if normal else _CAPACITY):
            self._queue.put_nowait((normal, next(self._numbers), item, event))
        else:
            _dropped.inc()

    async def run(self, under_load: Callable[[], bool]) -> None:
        """Posts Events until cancelled. While `under_load`, Normal Events yield to urgent requests."""
        while True:
            normal, _, item, event = await self._queue.get()
            try:
                await self._api.post_event(item, event)
            except ClusterError as fault:
                _dropped.inc()
                _log.warning("k8s_event_not_posted", item=item.key.dono, reason=event.reason, fault=str(fault))
            else:
                _posted.labels(event.reason).inc()
            await asyncio.sleep(_NORMAL_PAUSE_UNDER_LOAD if normal and under_load() else _PAUSE)
