"""Writes changed statuses: the latest proposal wins, and the rate is limited for each StockItem."""

import asyncio
from datetime import UTC, datetime
from typing import NamedTuple

from msgspec.structs import replace
from prometheus_client import Counter

from operador.cluster.api import ClusterApi, ConflictError, NotFoundError, UnavailableError
from operador.cluster.event_recorder import EventRecorder
from operador.decide.conditions import status_from_saldo, status_unsynced
from operador.decide.k8s_events import k8s_events
from operador.decide.outcome import Outcome
from operador.decide.saldo import Saldo
from operador.decide.stockitem import ItemKey, Status, StockItem
from operador.memory.cache import Cache, CachedItem
from operador.memory.work_queue import WorkQueue
from reservaestoque.backoff import delay
from reservaestoque.telemetry import logger, tracing

_log = logger(__name__)
_written = Counter("operador_status_writes_total", "Status writes accepted by the API server")


class _Proposal(NamedTuple):
    """A status for the StockItem with this uid, and the trace context of its proposal."""

    uid: str
    status: Status
    traceparent: str


class StatusWriter:
    """Takes proposals from the loops and writes the latest one of each StockItem to the API server."""

    def __init__(self, api: ClusterApi, cache: Cache, queue: WorkQueue, recorder: EventRecorder) -> None:
        self._api = api
        self._recorder = recorder
        self._cache = cache
        self._queue = queue
        self._proposals: dict[ItemKey, _Proposal] = {}
        self._scheduled: set[ItemKey] = set()
        self._due: asyncio.Queue[ItemKey] = asyncio.Queue()
        self._failures = 0

    @property
    def waiting(self) -> int:
        """The number of statuses waiting to be written."""
        return len(self._proposals)

    def propose_saldo(self, item: StockItem, saldo: Saldo, outcome: Outcome) -> None:
        """Proposes the status that follows from the item's stock row."""
        if (cached := self._cache.get(item.key)) is not None:
            self.propose(item, status_from_saldo(item, saldo, outcome, cached.status, _now()))

    def propose_unsynced(self, item: StockItem, reason: str, message: str) -> None:
        """Proposes a status that says why the item could not be synchronised."""
        if (cached := self._cache.get(item.key)) is not None:
            self.propose(item, status_unsynced(item, cached.status, reason, message, _now()))

    def propose(self, item: StockItem, status: Status) -> None:
        """Proposes this status for the item; changes nothing if the item already has it."""
        cached = self._cache.get(item.key)
        if cached is None or cached.item.uid != item.uid:
            return
        if cached.status == status:
            self._proposals.pop(item.key, None)
            return
        self._proposals[item.key] = _Proposal(item.uid, status, tracing.carried())
        if item.key not in self._scheduled:
            self._scheduled.add(item.key)
            self._due.put_nowait(item.key)

    async def run(self) -> None:
        """One of the workers that share the proposals; runs until cancelled."""
        while True:
            await self._serve(await self._due.get())

    async def _serve(self, key: ItemKey) -> None:
        proposal, cached = self._proposals.pop(key, None), self._cache.get(key)
        wait: float | None = None
        if proposal is not None and cached is not None and cached.item.uid == proposal.uid:
            wait = cached.rate_limit.delay(asyncio.get_running_loop().time())
            if wait == 0:
                wait = await self._traced_write(cached, proposal)
            if wait is not None:
                self._proposals.setdefault(key, proposal)
        if key in self._proposals:
            asyncio.get_running_loop().call_later(wait or 0, self._due.put_nowait, key)
        else:
            self._scheduled.discard(key)

    async def _traced_write(self, cached: CachedItem, proposal: _Proposal) -> float | None:
        if not proposal.traceparent:
            return await self._write(cached, proposal.status)
        key = cached.item.key
        attributes = {"k8s.namespace.name": key.namespace, "reservaestoque.stockitem": key.name}
        with tracing.span("write status", parent=proposal.traceparent, attributes=attributes):
            return await self._write(cached, proposal.status)

    async def _write(self, cached: CachedItem, status: Status) -> float | None:
        """Writes the status. Returns None when it is settled, otherwise the seconds to wait before a retry."""
        item, previous = cached.item, cached.status
        if status == previous:
            return None
        # Before the write: the watch may echo it before the answer arrives, and an echo is not a change.
        cached.status = status
        try:
            version = await self._api.patch_status(item, status, _now())
        except NotFoundError:
            return None  # deleted meanwhile: the watch will report it
        except ConflictError:
            cached.status = previous
            # Another client changed it first. The watch delivers that version; then the item is synchronised again.
            self._queue.defer(item, delay(0))
            return None
        except UnavailableError as fault:
            cached.status = previous
            return self._failed(item, fault)
        self._failures = 0
        self._accepted(item, version)
        for event in k8s_events(previous, status):
            self._recorder.record(item, event)
        return None

    def _accepted(self, item: StockItem, version: int) -> None:
        _written.inc()
        cached = self._cache.get(item.key)
        if cached is None or cached.item.uid != item.uid:
            return
        cached.rate_limit = cached.rate_limit.spend(asyncio.get_running_loop().time())
        if cached.item == item:
            cached.item = replace(item, version=version)

    def _failed(self, item: StockItem, fault: UnavailableError) -> float:
        self._failures += 1
        _log.warning("status_not_written", item=item.key.dono, fault=str(fault))
        return delay(min(self._failures // 10, 6))


def _now() -> str:
    """Now, to the second, as Kubernetes writes times: ``2026-11-24T03:30:10Z``."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
