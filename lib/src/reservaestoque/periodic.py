"""A job that is done again and again, in steps, whatever the database does meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from reservaestoque.backoff import back_off
from reservaestoque.telemetry import logger

_log = logger(__name__)


class Periodic:
    """Calls `step` every so often; at once again while it says that there is more to do.

    After each step it pauses `rest` times as long as that took, should that be longer: then a step that finds much
    more than usual leaves the database to others. While it fails the pauses grow up to `longest` seconds.
    """

    def __init__(
        self,
        step: Callable[[], Awaitable[bool]],
        *,
        every: timedelta,
        is_transient: Callable[[BaseException], bool],
        longest: float = 30.0,
        rest: float = 0.0,
    ) -> None:
        self._step = step
        self._every = every.total_seconds()
        self._is_transient = is_transient
        self._longest = longest
        self._rest = rest

    async def run(self) -> None:
        """Runs until cancelled. Raises what `step` raises when it will not pass by itself."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                more = await self._step()
                failures = 0
            except Exception as fault:
                if not self._is_transient(fault):
                    raise
                failures += 1
                _log.warning("job_put_off", job=self._step.__qualname__, failures=failures, fault=repr(fault))
                await back_off(failures, longest=self._longest)
                continue
            pause = self._rest * (time.monotonic() - began)
            await asyncio.sleep(max(pause, 0 if more else self._every))
