"""A job that runs repeatedly, in bounded steps, and survives transient faults."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import Counter

from reservaestoque.backoff import delay
from reservaestoque.postgres import is_transient
from reservaestoque.telemetry import logger

Step = Callable[[], Awaitable[bool]]
"""A bounded piece of a job's work; returns whether there is more to do now."""

_BEAT_SECONDS = 5.0

_log = logger(__name__)
_failed = Counter("job_failures_total", "Failed runs of a job, deferred", ["name"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The pauses of a job: `every` when there is nothing more to do, `between` while there is.

    A pause is at least `rest` times as long as the step took, so that a step with an unusual amount of work leaves
    the database to others. While the job fails, its pauses grow up to `longest` seconds.
    """

    every: timedelta
    between: timedelta = timedelta()
    rest: float = 0.0
    longest: float = 30.0

    def after(self, took: float, *, more: bool) -> float:
        """Seconds to pause after a step that took `took` seconds."""
        return max(self.rest * took, (self.between if more else self.every).total_seconds())


class Periodic:
    """Calls `step` repeatedly, at this pace.

    Transient failures are logged and counted under its `name`: those of the database (`is_transient`), and the errors
    in `transient`.

    Jobs that share a `turn`, a lock, run one step at a time. `beat` is called before each step and every few seconds
    during a pause. Setting `wake` ends the pause between two steps; it is cleared when the next step begins.
    """

    def __init__(
        self,
        step: Step,
        *,
        name: str,
        pace: Pace,
        transient: tuple[type[Exception], ...] = (),
        turn: AbstractAsyncContextManager[object] | None = None,
        beat: Callable[[], None] = lambda: None,
        wake: asyncio.Event | None = None,
    ) -> None:
        self.name = name
        self._step = step
        self._pace = pace
        self._transient = transient
        self._turn = turn or nullcontext()
        self._beat = beat
        self._wake = wake
        _failed.labels(name)

    async def run(self) -> None:
        """Runs until cancelled. Raises what `step` raises unless that is transient."""
        failures = 0
        while True:
            self._beat()
            try:
                async with self._turn:
                    began = time.monotonic()
                    if self._wake is not None:
                        self._wake.clear()
                    more = await self._step()
                failures = 0
            except Exception as fault:
                if not (is_transient(fault) or isinstance(fault, self._transient)):
                    raise
                failures += 1
                _failed.labels(self.name).inc()
                _log.warning("job_failed", job=self.name, failures=failures, fault=repr(fault))
                await self._pause(delay(failures, first=0.05, longest=self._pace.longest), None)
                continue
            await self._pause(self._pace.after(time.monotonic() - began, more=more), self._wake)

    async def _pause(self, seconds: float, wake: asyncio.Event | None) -> None:
        """Sleeps until the time is over or `wake` is set."""
        while wake is None or not wake.is_set():
            self._beat()
            await _sleep(min(seconds, _BEAT_SECONDS), wake)
            seconds -= _BEAT_SECONDS
            if seconds <= 0:
                return


async def _sleep(seconds: float, wake: asyncio.Event | None) -> None:
    if wake is None:
        await asyncio.sleep(seconds)
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
