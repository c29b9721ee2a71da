"""Turns off every part of kopf except the watch.

kopf stores its own annotations and finalizers on each object, lists all objects before it watches, handles them one
by one, and stops retrying after some failures. The operator replaces or disables each of these.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import kopf

from operador.cluster.access import Access
from operador.decide.stockitem import PLURAL
from reservaestoque.backoff import delay

# Matches no object; version 0 accepts any version from the API server's cache, so that it does not read every object
# from etcd. A watch that begins before the newest version only repeats known changes.
_NOTHING = {"fieldSelector": "metadata.name=-", "resourceVersion": "0"}
# The watch is requested again at least this often, which is also its heartbeat.
_WATCH_SECONDS = 50
_WATCH_PAUSE = 1.0
"""At least this long between two requests for a watch: kopf repeats one that ends at once without a pause."""


class _EndlessBackoff:
    """An endless sequence of back-offs: kopf keeps retrying a request until the API server is available again."""

    def __iter__(self) -> Iterator[float]:
        failures = 0
        while True:
            yield delay(failures)
            failures += 1


class _NoDiffs(kopf.DiffBaseStorage):
    """No handler needs a diff, so kopf need not copy each object to compute one."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Handlers need no progress tracking, so kopf need not search each object for its annotations."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence


def settings() -> kopf.OperatorSettings:
    """kopf's settings for a watch and nothing else. Also silences its logging about each object."""
    logging.getLogger("kopf").setLevel(logging.WARNING)
    settings = kopf.OperatorSettings()
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.persistence.progress_storage = _NoProgress()
    settings.posting.enabled = False  # we post Events ourselves, when a status changes
    settings.scanning.disabled = True  # needs no permissions on namespaces and CRDs
    settings.networking.error_backoffs = _EndlessBackoff()
    settings.networking.request_timeout = 60.0
    settings.networking.connect_timeout = 10.0
    settings.watching.connect_timeout = 10.0
    settings.watching.server_timeout = _WATCH_SECONDS
    settings.watching.client_timeout = _WATCH_SECONDS + 10
    settings.watching.inactivity_timeout = _WATCH_SECONDS + 10
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 0.5  # an idle worker costs memory, and the work queue replaces it
    return settings


def session(access: Access, *, beat: Callable[[], None], began: Callable[[int], None]) -> kopf.AiohttpSession:
    """kopf's connection, without its list of all objects: the operator's resync lists them, in pages.

    Calls `beat` for each request. Before it watches, kopf requests a list, and would handle each object separately.
    It receives an empty list instead. The watch begins at that list's version, with which `began` is called.
    """
    watched = -_WATCH_PAUSE

    async def no_list(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        nonlocal watched
        if not request.url.path.endswith(f"/{PLURAL}"):
            return await send(request)
        beat()
        if "watch" in request.url.query:
            await asyncio.sleep(watched + _WATCH_PAUSE - time.monotonic())
            watched = time.monotonic()
            return await send(request)
        response = await http.get(request.url.update_query(_NOTHING), middlewares=[access.authorize])
        if response.ok:
            began(int((await response.json())["metadata"]["resourceVersion"]))
        return response

    http = access.open_session(no_list)
    return kopf.AiohttpSession(server=access.info.server, aiohttp_session=http)
