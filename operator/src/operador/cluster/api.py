"""The operator's requests to the Kubernetes API, apart from the watch."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
from opentelemetry.trace import SpanKind, use_span
from prometheus_client import Counter

from operador.decide.k8s_events import K8sEvent
from operador.decide.stockitem import (
    GROUP,
    KIND,
    PLURAL,
    VERSION,
    Status,
    StockItem,
    read_item,
    read_status,
    status_body,
)
from reservaestoque.telemetry import tracing

_PAGE = 500
_REQUEST_SECONDS = 15.0
_PAGE_SECONDS = 60.0
_JSON = {"Content-Type": "application/json"}
_MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
# By default the API server answers a status patch with the whole object, which would be encoded and decoded for
# nothing.
_METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
_SUCCESS = range(200, 300)
_MANAGER = {"fieldManager": "reservaestoque-operador"}

_failures = Counter("operador_api_failures_total", "Requests to the Kubernetes API that failed")


class ClusterError(Exception):
    """The API did not fulfil the request. `status` is the HTTP status of its answer, 0 without one."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(ClusterError):
    """The StockItem no longer exists."""


class ConflictError(ClusterError):
    """The change was based on an outdated version of the StockItem, or on another object of the same name."""


class UnavailableError(ClusterError):
    """The same request may succeed later."""


_ERRORS: dict[int, type[ClusterError]] = {HTTPStatus.NOT_FOUND: NotFoundError, HTTPStatus.CONFLICT: ConflictError}


class ClusterApi:
    """Every method raises NotFoundError, ConflictError or UnavailableError.

    `http` is a session with the API server at the address `server`. An empty `namespace` means all of them.
    """

    def __init__(self, http: aiohttp.ClientSession, server: str, namespace: str) -> None:
        self._http = http
        self._server = server.rstrip("/")
        self._list_path = _path(namespace)

    async def probe(self) -> None:
        """Raises NotFoundError while the API server does not know what a StockItem is."""
        await anext(self.pages(1))

    async def pages(
        self, size: int = _PAGE, *, not_before: int = 0
    ) -> AsyncIterator[tuple[list[dict[str, Any]], int]]:
        """All StockItems, page by page, each with the resourceVersion of the whole list.

        The list is the newest or, with `not_before`, one no older than that. The API server may serve such a list
        from memory; for the newest, it would read and decode each object from etcd.
        """
        query = {"limit": str(size)}
        if not_before:
            query |= {"resourceVersion": str(not_before), "resourceVersionMatch": "NotOlderThan"}
        while True:
            page = await self._request("GET", self._list_path, query, timeout=_PAGE_SECONDS)
            with _expected_shape():
                items, version = list(page["items"]), int(page["metadata"]["resourceVersion"])
                token = page["metadata"].get("continue", "")
            yield items, version
            if not token:
                return
            query = {"limit": str(size), "continue": token}

    async def set_finalizers(self, item: StockItem, finalizers: tuple[str, ...]) -> tuple[StockItem, Status | None]:
        """Sets the finalizers of exactly this version of the StockItem; returns the result and its status."""
        meta = {"resourceVersion": str(item.version), "finalizers": list(finalizers)}
        path = _path(item.key.namespace, item.key.name)
        body = await self._request("PATCH", path, _MANAGER, {"metadata": meta}, _MERGE_PATCH)
        with _expected_shape():
            return read_item(body), read_status(body)

    async def patch_status(self, item: StockItem, status: Status, now: str) -> int:
        """Writes the status of exactly this version of the StockItem; returns the resulting version.

        Exactly this version, so that the version returned hides no change by another client, and because the API
        server does not compare the uid when a status is patched.
        """
        path = _path(item.key.namespace, item.key.name, "status")
        body = {"metadata": {"resourceVersion": str(item.version)}, "status": status_body(status, now)}
        with self._traced_patch(path):
            written = await self._request("PATCH", path, _MANAGER, body, _MERGE_PATCH | _METADATA_ONLY)
        with _expected_shape():
            return int(written["metadata"]["resourceVersion"])

    async def post_event(self, item: StockItem, event: K8sEvent) -> None:
        """Posts a Kubernetes Event about the StockItem."""
        now = datetime.now(UTC).isoformat()
        body = {
            "metadata": {"generateName": f"{item.key.name[:200]}.", "namespace": item.key.namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "name": item.key.name,
                "namespace": item.key.namespace,
                "uid": item.uid,
                "resourceVersion": str(item.version),
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "source": {"component": "reservaestoque-operador"},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        await self._request("POST", f"api/v1/namespaces/{item.key.namespace}/events", {}, body, _JSON)

    async def _request(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        body: object = None,
        headers: dict[str, str] | None = None,
        *,
        timeout: float = _REQUEST_SECONDS,  # noqa: ASYNC109
    ) -> Any:
        """The decoded body of the answer."""
        try:
            async with self._http.request(
                method,
                path,
                params=query,
                data=None if body is None else msgspec.json.encode(body),
                headers=headers,
                timeout=aiohttp.ClientTimeout(timeout),
                allow_redirects=False,
            ) as response:
                answer = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as fault:
            _failures.inc()
            # Not its repr: that of a malformed answer has the headers of the request, and so the token.
            raise UnavailableError(f"{type(fault).__name__}: {fault}") from fault
        if response.status in _SUCCESS:
            with suppress(msgspec.DecodeError):
                return msgspec.json.decode(answer)
        error = _ERRORS.get(response.status, UnavailableError)
        if error is UnavailableError:
            _failures.inc()
        text = answer[:300].decode(errors="replace")
        raise error(f"{response.status} {response.reason}: {text}", response.status)

    @contextmanager
    def _traced_patch(self, path: str) -> Iterator[None]:
        """The client span of a patch, if a trace is being recorded."""
        if tracing.current() is None:
            yield
            return
        server = urlsplit(self._server)
        attributes: dict[str, str | int] = {
            "http.request.method": "PATCH",
            "url.full": f"{self._server}/{path}",
            "server.address": server.hostname or "",
            "server.port": server.port or 443,
        }
        with use_span(tracing.start("PATCH", kind=SpanKind.CLIENT, attributes=attributes), end_on_exit=True) as span:
            try:
                yield
            except ClusterError as fault:
                if fault.status:
                    span.set_attribute("http.response.status_code", fault.status)
                raise
            span.set_attribute("http.response.status_code", HTTPStatus.OK)


@contextmanager
def _expected_shape() -> Iterator[None]:
    """Translates what happens when JSON answered with 200 is not what was requested, as from a proxy."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as fault:
        _failures.inc()
        raise UnavailableError(f"unexpected answer: {type(fault).__name__}: {fault}", HTTPStatus.OK) from fault


def _path(namespace: str, *names: str) -> str:
    """The path of a namespace's StockItems, or of all when it is empty; `names`: a StockItem's, its subresource's."""
    scope = f"namespaces/{namespace}/" if namespace else ""
    return "/".join((f"apis/{GROUP}/{VERSION}/{scope}{PLURAL}", *names))
