"""StockItems on an API server, as kubectl applies, patches and deletes them, without a process for each request."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx

from local_system import System, kube_api

APPLY, MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


class StockItems:
    """The StockItems of a local system. Every method raises httpx.HTTPStatusError when the API server refuses.

    To be used as a context: the connections are kept until its end, because a TLS handshake costs both sides CPU.
    """

    def __init__(self, system: System) -> None:
        self._system = system

    def __enter__(self) -> Self:
        self._api = kube_api.client(self._system.layout)
        return self

    def __exit__(self, *_: object) -> None:
        self._api.close()

    def apply(self, manifest: Mapping[str, Any], **params: str) -> None:
        """Like `kubectl apply --server-side --force-conflicts`."""
        metadata = manifest["metadata"]
        where = path(metadata.get("namespace", "default"), metadata["name"])
        options = {"fieldManager": "kubectl", "force": "true", "fieldValidation": "Strict", **params}
        self._request("PATCH", where, json=manifest, params=options, headers={"Content-Type": APPLY})

    def create(self, *manifests: Mapping[str, Any], **params: str) -> None:
        """Like `kubectl create`."""

        def post(manifest: Mapping[str, Any]) -> None:
            where = path(manifest["metadata"].get("namespace", "default"), "")
            self._request("POST", where, json=manifest, params={"fieldValidation": "Strict", **params})

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(post, manifests))

    def merge(self, name: str, change: Mapping[str, Any], *, ns: str = "default", subresource: str = "") -> None:
        """Like `kubectl patch --type=merge`."""
        where = "/".join(filter(None, (path(ns, name), subresource)))
        self._request("PATCH", where, json=change, headers={"Content-Type": MERGE})

    def delete(self, name: str, *, ns: str = "default") -> None:
        """Like `kubectl delete --wait=false`."""
        self._request("DELETE", path(ns, name))

    def delete_labelled(self, selector: str) -> None:
        """Deletes all of the namespace default with these labels in one request: kubectl would send a thousand."""
        self._request("DELETE", path("default", ""), params={"labelSelector": selector}, timeout=300)

    def get(self, where: str, **query: str) -> dict[str, Any] | None:
        """The object or list at a path, if any."""
        try:
            found: dict[str, Any] = self._request("GET", where, params=query).json()
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.NOT_FOUND:
                return None
            raise
        return found

    def _request(self, method: str, where: str, **options: Any) -> httpx.Response:
        answer = self._api.request(method, where, **options)
        if answer.is_error:
            raise httpx.HTTPStatusError(answer.json()["message"], request=answer.request, response=answer)
        return answer


def path(ns: str, name: str) -> str:
    """The path of a StockItem on the API server, or of all of a namespace."""
    return f"/apis/reservaestoque.dev/v1/namespaces/{ns}/stockitems/{name}".rstrip("/")
