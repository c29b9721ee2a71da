"""The one-shot audit: scans one snapshot of each database, then rechecks suspects until each is settled."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from conferir import commands, outboxes, scans
from conferir.agreement_rules import Criteria
from conferir.scans import Scan
from conferir.slice import K
from conferir.snapshot import Databases, LockWantedError, Snapshots, take_snapshots
from conferir.suspects import Suspects
from conferir.violation import IMMEDIATE, Violation

SLICE_ROWS = 5000
TRIES = 10
_RECHECKS = 10
_FIRST_PAUSE = 0.05
_RECHECK_BATCH = 1000


@dataclass
class Result:
    """Rows seen by scan, the number of violations, and the number of suspects that did not settle."""

    seen: dict[str, int] = field(default_factory=dict)
    violations: int = 0
    uncertain: int = 0
    complete: bool = True
    """False if the audit yielded to migrations too often to finish."""

    @property
    def exit_code(self) -> int:
        """0 when every rule holds, 1 on violations, 2 when the result is inconclusive."""
        return 1 if self.violations else 2 if self.uncertain or not self.complete else 0


async def audit(
    databases: Databases,
    criteria: Criteria,
    grace: float,
    on_violation: Callable[[Violation], None],
    limit: int = SLICE_ROWS,
    *,
    on_restart: Callable[[int], None] = lambda _: None,
) -> Result:
    """Scans everything and calls `on_violation` for each violation. Keeps `limit` rows of a table in memory.

    A difference that timing could explain must persist for `grace` seconds. When another session waits for a lock of
    the snapshots, the audit closes them and restarts, up to TRIES tries in all; `on_restart` receives the number of
    each try after the first. Raises what asyncpg raises; the result is then unknown.
    """
    running = _Audit(criteria, grace, on_violation, limit)
    for number in range(1, TRIES + 1):
        if number > 1:
            on_restart(number)
        try:
            async with take_snapshots(databases) as snapshots:
                await running.scan_all(snapshots)
        except LockWantedError:
            continue
        await running.settle(databases)
        return running.result
    running.result.complete = False
    return running.result


class _Audit:
    """One run of the audit, across restarts."""

    def __init__(
        self, criteria: Criteria, grace: float, on_violation: Callable[[Violation], None], limit: int
    ) -> None:
        self._criteria = criteria
        self._grace = grace
        self._on_violation = on_violation
        self._limit = limit
        self._suspects = Suspects(grace)
        self._reported: set[Violation] = set()
        self.result = Result()

    async def scan_all(self, snapshots: Snapshots) -> None:
        """Scans both snapshots from the beginning. Violations already reported are not reported again."""
        self._suspects = Suspects(self._grace)
        self.result = Result(violations=self.result.violations)
        await self._scan_table(snapshots, scans.skus(self._limit))
        await self._scan_table(snapshots, scans.reservas(self._limit))
        await self._scan_table(snapshots, scans.pedidos(self._limit, self._criteria))
        await self._scan_table(snapshots, scans.all_commands(self._limit, self._criteria))
        self._triage(await commands.versions(snapshots, snapshots.pedidos.now - self._criteria.retention))
        if self._criteria.at_rest:
            self._triage(await outboxes.unpublished(snapshots))

    async def _scan_table(self, snapshots: Snapshots, scan: Scan[K]) -> None:
        after: K | None = scan.start
        seen = 0
        while after is not None:
            chunk = await scan.read_slice(snapshots, after)
            seen += chunk.seen
            self._triage(chunk.violations)
            after = chunk.last_key
        self.result.seen[scan.name] = seen

    def _triage(self, found: Iterable[Violation]) -> None:
        candidates = []
        for violation in found:
            if violation.rule in IMMEDIATE:
                self._report(violation)
            else:
                candidates.append(violation)
        self.result.uncertain += self._suspects.add(candidates, time.monotonic())

    def _report(self, violation: Violation) -> None:
        if violation not in self._reported:
            self._reported.add(violation)
            self.result.violations += 1
            self._on_violation(violation)

    async def settle(self, databases: Databases) -> None:
        """Rechecks the suspects until each has persisted for the grace period or is gone.

        Suspects that keep changing for many grace periods stay uncertain.
        """
        end = time.monotonic() + _RECHECKS * self._grace
        pause = _FIRST_PAUSE
        while self._suspects and time.monotonic() <= end:
            await asyncio.sleep(min(pause, self._grace / _RECHECKS))
            pause *= 2
            suspects = self._suspects.oldest_first()
            for n in range(0, len(suspects), _RECHECK_BATCH):
                await self._recheck(databases, suspects[n : n + _RECHECK_BATCH])
        self.result.uncertain += len(self._suspects)

    async def _recheck(self, databases: Databases, before: list[Violation]) -> None:
        try:
            async with take_snapshots(databases) as snapshots:
                current = await scans.recheck(snapshots, before, self._criteria)
        except LockWantedError:
            return  # the next iteration rechecks them
        for violation in self._suspects.recheck(before, current, time.monotonic()):
            self._report(violation)
