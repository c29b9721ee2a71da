"""Reads by key that share queries: the next query reads all keys requested while one runs.

However many callers there are, a loader runs one query at a time, so it takes one connection, and a read becomes
cheaper under load.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from reservaestoque.postgres.faults import CrowdedError
from reservaestoque.telemetry.load import count_refused

K = TypeVar("K")
V = TypeVar("V")


class Loader(Generic[K, V]):
    """Reads with `load`, which receives up to `max_keys` different keys and returns what it finds.

    At most `max_waiting` different keys wait.
    """

    def __init__(
        self, load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, max_keys: int = 200, max_waiting: int = 5000
    ) -> None:
        self._load = load
        self._max_keys = max_keys
        self._max_waiting = max_waiting
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V | None:
        """The result of a query that begins after this call; None when it finds nothing.

        Raises CrowdedError, and what `load` raises.
        """
        future = self._waiting.get(key)
        if future is None:
            if len(self._waiting) >= self._max_waiting:
                count_refused("reads")
                raise CrowdedError(f"{self._max_waiting} reads are already waiting")
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())
        # Others may wait for the same key, so no single caller may cancel the read.
        return await asyncio.shield(future)

    async def _read(self) -> None:
        while self._waiting:
            keys = list(self._waiting)[: self._max_keys]
            futures = {key: self._waiting.pop(key) for key in keys}
            try:
                found = await self._load(keys)
            except Exception as fault:
                for future in futures.values():
                    future.set_exception(fault)
                    future.exception()  # the callers may be gone; marks the exception as retrieved
            else:
                for key, future in futures.items():
                    future.set_result(found.get(key))
        self._reader = None
