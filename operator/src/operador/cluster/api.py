"""The operator's requests to the Kubernetes API, apart from the watch."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException
from opentelemetry.trace import SpanKind, use_span
from prometheus_client import Counter

from operador.decide.k8s_events import K8sEvent
from operador.decide.stockitem import GROUP, KIND, PLURAL, VERSION, ItemKey, Status, StockItem, status_body
from reservaestoque.telemetry import tracing

_PAGE = 500
_REQUEST_SECONDS = 15
# Set here because the client would declare a merge patch as a JSON patch.
_MERGE: dict[str, Any] = {
    "_content_type": "application/merge-patch+json",
    "_request_timeout": _REQUEST_SECONDS,
    "field_manager": "reservaestoque-operador",
}
# By default the API server answers a status patch with the whole object, which would be encoded and decoded for
# nothing.
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_STOCKITEMS: dict[str, Any] = {"group": GROUP, "version": VERSION, "plural": PLURAL}

_failures = Counter("operador_api_failures_total", "Requests to the Kubernetes API that failed")


class ClusterError(Exception):
    """The API did not fulfil the request."""


class NotFoundError(ClusterError):
    """The StockItem no longer exists."""


class ConflictError(ClusterError):
    """The change was based on an outdated version of the StockItem, or on another object of the same name."""


class UnavailableError(ClusterError):
    """The same request may succeed later."""


@asynccontextmanager
async def open_api(namespace: str, kubeconfig: str) -> AsyncIterator["ClusterApi"]:
    """The API of the cluster that this file names, or of this pod's own cluster when the name is empty.

    An empty `namespace` means all of them.
    """
    configuration = client.Configuration()
    if kubeconfig:
        await config.load_kube_config(config_file=kubeconfig, client_configuration=configuration)
    else:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with client.ApiClient(configuration) as objects, client.ApiClient(configuration) as statuses:
        for api_client in (objects, statuses):
            # Otherwise aiohttp reads ~/.netrc before each request, in a thread.
            api_client.rest_client.pool_manager._trust_env = False
        statuses.set_default_header("Accept", _METADATA_ONLY)
        yield ClusterApi(objects, statuses, namespace)


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    """Translates the client's exceptions into ClusterErrors."""
    try:
        yield
    except ApiException as fault:
        answer = f"{fault.status} {fault.reason}: {str(fault.body)[:300]}"
        if fault.status == HTTPStatus.NOT_FOUND:
            raise NotFoundError(answer) from fault
        if fault.status == HTTPStatus.CONFLICT:
            raise ConflictError(answer) from fault
        _failures.inc()
        raise UnavailableError(answer) from fault
    except (aiohttp.ClientError, OSError, TimeoutError) as fault:
        _failures.inc()
        raise UnavailableError(repr(fault)) from fault


class ClusterApi:
    """Every method raises NotFoundError, ConflictError or UnavailableError."""

    def __init__(self, objects: client.ApiClient, statuses: client.ApiClient, namespace: str) -> None:
        self._objects = client.CustomObjectsApi(objects)
        self._statuses = client.CustomObjectsApi(statuses)
        self._core = client.CoreV1Api(objects)
        self._server = statuses.configuration.host or ""
        self._namespace = namespace

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
        token = ""
        since = {"resource_version": str(not_before), "resource_version_match": "NotOlderThan"} if not_before else {}
        while True:
            async with _translated_errors():
                query = {**_STOCKITEMS, "limit": size, "_continue": token, "_request_timeout": 60, **since}
                if self._namespace:
                    page = await self._objects.list_namespaced_custom_object(namespace=self._namespace, **query)
                else:
                    page = await self._objects.list_cluster_custom_object(**query)
            yield page["items"], int(page["metadata"]["resourceVersion"])
            token, since = page["metadata"].get("continue", ""), {}
            if not token:
                return

    async def set_finalizers(self, item: StockItem, finalizers: tuple[str, ...]) -> dict[str, Any]:
        """Sets the finalizers of exactly this version of the StockItem; returns the resulting object."""
        meta = {"resourceVersion": str(item.version), "finalizers": list(finalizers)}
        async with _translated_errors():
            body: dict[str, Any] = await self._objects.patch_namespaced_custom_object(
                **_STOCKITEMS, namespace=item.key.namespace, name=item.key.name, body={"metadata": meta}, **_MERGE
            )
        return body

    async def patch_status(self, item: StockItem, status: Status, now: str) -> int:
        """Writes the status of exactly this version of the StockItem; returns the resulting version.

        Exactly this version, so that the version returned hides no change by another client, and because the API
        server does not compare the uid when a status is patched.
        """
        async with _translated_errors():
            with self._traced_patch(item.key):
                written = await self._statuses.patch_namespaced_custom_object_status(
                    **_STOCKITEMS,
                    namespace=item.key.namespace,
                    name=item.key.name,
                    body={"metadata": {"resourceVersion": str(item.version)}, "status": status_body(status, now)},
                    **_MERGE,
                )
        return int(written["metadata"]["resourceVersion"])

    @contextmanager
    def _traced_patch(self, key: ItemKey) -> Iterator[None]:
        """The client span of a status patch, if a trace is being recorded."""
        if tracing.current() is None:
            yield
            return
        server = urlsplit(self._server)
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}/status"
        attributes: dict[str, str | int] = {
            "http.request.method": "PATCH",
            "url.full": f"{self._server}{path}",
            "server.address": server.hostname or "",
            "server.port": server.port or 443,
        }
        with use_span(tracing.start("PATCH", kind=SpanKind.CLIENT, attributes=attributes), end_on_exit=True) as span:
            try:
                yield
            except ApiException as fault:
                span.set_attribute("http.response.status_code", fault.status)
                raise
            span.set_attribute("http.response.status_code", HTTPStatus.OK)

    async def post_event(self, item: StockItem, event: K8sEvent) -> None:
        """Posts a Kubernetes Event about the StockItem."""
        now = datetime.now(UTC)
        body = client.CoreV1Event(
            metadata=client.V1ObjectMeta(generate_name=f"{item.key.name[:200]}.", namespace=item.key.namespace),
            involved_object=client.V1ObjectReference(
                api_version=f"{GROUP}/{VERSION}",
                kind=KIND,
                name=item.key.name,
                namespace=item.key.namespace,
                uid=item.uid,
                resource_version=str(item.version),
            ),
            type=event.type,
            reason=event.reason,
            message=event.message,
            source=client.V1EventSource(component="reservaestoque-operador"),
            first_timestamp=now,
            last_timestamp=now,
            count=1,
        )
        async with _translated_errors():
            await self._core.create_namespaced_event(item.key.namespace, body, _request_timeout=_REQUEST_SECONDS)
