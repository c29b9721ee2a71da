"""The continuous audit: each step takes a pair of short snapshots and checks a slice of every table."""

import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Generic
from uuid import UUID

from conferir import commands, scans
from conferir.agreement_rules import Criteria
from conferir.metrics import LAST_ROUND, ROWS, Reporter
from conferir.scans import Scan
from conferir.slice import K, Slice
from conferir.snapshot import Databases, Snapshots, take_snapshots
from conferir.suspects import Suspects
from conferir.violation import IMMEDIATE, Violation

_RECHECK_BATCH = 1000


class CyclicScan(Generic[K]):
    """Scans a table forever, one slice per step; remembers its position."""

    def __init__(self, scan: Scan[K]) -> None:
        self._scan: Scan[K] = scan
        self._after: K = scan.start
        LAST_ROUND.labels(scan.name).set_to_current_time()

    async def step(self, snapshots: Snapshots) -> Slice[K]:
        """Checks the next slice; the same slice again after a failure. Raises what asyncpg raises."""
        chunk: Slice[K] = await self._scan.read_slice(snapshots, self._after)
        if chunk.last_key is None:
            self._after = self._scan.start
            LAST_ROUND.labels(self._scan.name).set_to_current_time()
        else:
            self._after = chunk.last_key
        ROWS.labels(self._scan.name).inc(chunk.seen)
        return chunk


class Rounds:
    """Scans all stock, orders and commands in rounds; each step also checks orders younger than `recent`."""

    def __init__(
        self, databases: Databases, criteria: Criteria, *, grace: timedelta, recent: timedelta, limit: int
    ) -> None:
        self._databases = databases
        self._criteria = criteria
        self._recent = recent
        self._limit = limit
        self._suspects = Suspects(grace.total_seconds())
        self._reporter = Reporter()
        self._skus = CyclicScan(scans.skus(limit))
        self._reservas = CyclicScan(scans.reservas(limit))
        self._pedidos = CyclicScan(scans.pedidos(limit, criteria))
        self._commands = CyclicScan(scans.all_commands(limit, criteria))
        self._recent_key: UUID | None = None

    async def step(self) -> bool:
        """One step of every scan. Returns False: no step leaves urgent work.

        Raises LockWantedError when another session waits for a lock of the snapshots, and what asyncpg raises; then
        the step has no effect.
        """
        try:
            async with take_snapshots(self._databases) as snapshots:
                await self._recheck(snapshots)
                await self._scan_slices(snapshots)
        except Exception:
            # After an outage an old difference may have a new cause: its grace period starts over.
            self._suspects.restart(time.monotonic())
            raise
        return False

    async def _recheck(self, snapshots: Snapshots) -> None:
        before = self._suspects.oldest_first()[:_RECHECK_BATCH]
        current = await scans.recheck(snapshots, before, self._criteria) if before else []
        self._reporter.report(self._suspects.recheck(before, current, time.monotonic()))

    async def _scan_slices(self, snapshots: Snapshots) -> None:
        self._triage((await self._skus.step(snapshots)).violations)
        self._triage((await self._reservas.step(snapshots)).violations)
        self._triage((await self._pedidos.step(snapshots)).violations)
        self._triage((await self._commands.step(snapshots)).violations)
        await self._check_recent(snapshots)

    async def _check_recent(self, snapshots: Snapshots) -> None:
        """Checks recent orders, the last in UUIDv7 order, and their versions: all their commands are still stored."""
        since = snapshots.pedidos.now - self._recent
        after = max(self._recent_key or lowest_id(since), lowest_id(since))
        chunk = await scans.pedidos(self._limit, self._criteria).read_slice(snapshots, after)
        self._triage(chunk.violations)
        self._triage((await scans.reservas(self._limit).read_slice(snapshots, after)).violations)
        self._recent_key = chunk.last_key
        ROWS.labels("recent").inc(chunk.seen)
        if chunk.last_key is None:
            self._triage(await commands.versions(snapshots, since))
            LAST_ROUND.labels("recent").set_to_current_time()

    def _triage(self, found: Iterable[Violation]) -> None:
        new = [violation for violation in found if not self._reporter.knows(violation)]
        self._reporter.report(violation for violation in new if violation.rule in IMMEDIATE)
        # A suspect that does not fit is found again in the next round.
        self._suspects.add((v for v in new if v.rule not in IMMEDIATE), time.monotonic())


def lowest_id(instant: datetime) -> UUID:
    """The lowest UUIDv7 of an instant (RFC 9562, section 5.7)."""
    return UUID(int=int(instant.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62)
