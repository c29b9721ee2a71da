"""A job that is done again and again, in steps, whatever the database does meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta

from prometheus_client import Counter

from reservaestoque.backoff import back_off
from reservaestoque.telemetry import logger

Step = Callable[[], Awaitable[bool]]
"""A bounded piece of a job's work; returns whether there is more to do now."""

_log = logger(__name__)
_failed = Counter("job_failures_total", "Times that a job failed and was put off", ["job"])


class Periodic:
    """Calls `step` every so often; at once again while it says that there is more to do.

    After each step it pauses `rest` times as long as that took, should that be longer: then a step that finds much
    more than usual leaves the database to others. While it fails the pauses grow up to `longest` seconds. Failures
    are logged and counted under its `name`. Jobs that share a `turn`, a lock, are at work one at a time.
    """

    def __init__(
        self,
        step: Step,
        *,
        name: str,
        every: timedelta,
        is_transient: Callable[[BaseException], bool],
        longest: float = 30.0,
        rest: float = 0.0,
        turn: AbstractAsyncContextManager[object] | None = None,
    ) -> None:
        self._step = step
        self._name = name
        self._every = every.total_seconds()
        self._is_transient = is_transient
        self._longest = longest
        self._rest = rest
        self._turn = turn or nullcontext()
        _failed.labels(name)

    async def run(self) -> None:
        """Runs until cancelled. Raises what `step` raises when it will not pass by itself."""
        failures = 0
        while True:
            try:
                async with self._turn:
                    began = time.monotonic()
                    more = await self._step()
                failures = 0
            except Exception as fault:
                if not self._is_transient(fault):
                    raise
                failures += 1
                _failed.labels(self._name).inc()
                _log.warning("job_put_off", job=self._name, failures=failures, fault=repr(fault))
                await back_off(failures, longest=self._longest)
                continue
            pause = self._rest * (time.monotonic() - began)
            await asyncio.sleep(max(pause, 0 if more else self._every))
