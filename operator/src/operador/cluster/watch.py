"""The watch: puts the StockItems that the API server reports into the work queue."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import kopf

from operador.cluster import kopf_disarmed
from operador.cluster.access import Access
from operador.decide.stockitem import GROUP, PLURAL, VERSION, read_item, read_status
from operador.memory.cache import Cache
from operador.memory.work_queue import WorkQueue
from reservaestoque.backoff import delay
from reservaestoque.telemetry import logger

_BEAT_SECONDS = 5.0

_log = logger(__name__)


class Watch:
    """`beat` is called for each request and each event, `began` with the version from which a watch begins.

    An empty `namespace` means all of them.
    """

    def __init__(
        self,
        *,
        cache: Cache,
        queue: WorkQueue,
        namespace: str,
        access: Access,
        beat: Callable[[], None],
        began: Callable[[int], None],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._namespace = namespace
        self._access = access
        self._beat = beat
        self._began = began
        self._logins = 0
        """Since a request was last answered."""

    async def run(self, defined: asyncio.Event, install_signal_handlers: Callable[[], None]) -> None:
        """Watches until it is cancelled; raises when kopf gives up.

        Starts when `defined` is set, because kopf checks for the definition of StockItem only once. kopf replaces the
        signal handlers when it starts: `install_signal_handlers` restores the program's.
        """
        while not defined.is_set():
            self._beat()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_SECONDS):
                    await defined.wait()
        others = set(asyncio.all_tasks())
        tasks = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=kopf_disarmed.settings(),
            standalone=True,
            clusterwide=not self._namespace,
            namespaces=[self._namespace] if self._namespace else [],
        )
        install_signal_handlers()
        await kopf.run_tasks(tasks, ignored=others)

    async def login(self) -> kopf.AiohttpSession:
        """Opens kopf's session: at the start and, after a pause, after each 401 and each connection closed early."""
        if self._logins:
            _log.warning("watch_logs_in_again", logins=self._logins)
            await asyncio.sleep(delay(self._logins - 1))
        self._logins += 1
        return kopf_disarmed.session(self._access, beat=self._beat, began=self._list_answered)

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.AiohttpSession:
            return await self.login()

        @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
        async def observe(event: Any, **_: Any) -> None:
            self._observe(event["type"], event["object"])

        return registry

    def _list_answered(self, version: int) -> None:
        self._logins = 0
        self._began(version)

    def _observe(self, kind: str | None, body: Any) -> None:
        self._beat()
        if kind == "DELETED":
            for item in self._cache.remove(read_item(body, gone=True)):
                self._queue.add(item)
            return
        item = read_item(body)
        if self._cache.observe(item, read_status(body)):
            self._queue.add(item)
