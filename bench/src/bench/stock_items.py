"""StockItems through a bare client of the API server, whose rate is the most that the server can sustain."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Self

import aiohttp

from local_system import System

CONNECTIONS = 24
_WATCH_AGAIN_SECONDS = 0.1
_PATH = "/apis/reservaestoque.dev/v1/namespaces/{namespace}/stockitems"
_CONDITIONS = (
    ("Synced", "False", "Raw", "Supply of 100 units is in force"),
    ("Available", "True", "InStock", "Units can be reserved"),
    ("LowStock", "False", "NoThreshold", "spec.lowStockThreshold is not set"),
)


class StockItems:
    """The client; closes its connections on leaving the block. Methods raise RuntimeError on a non-2xx answer."""

    def __init__(self, system: System) -> None:
        config = json.loads(system.kubeconfig.read_text())
        self._server: str = config["clusters"][0]["cluster"]["server"]
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS + 1, ssl=False),  # one for the watch
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def create(self, namespace: str, count: int) -> float:
        """Creates StockItems in a namespace; returns the seconds it took."""

        async def create(name: str) -> None:
            await self._request("POST", _url(namespace), stock_item(namespace, name))

        return await _concurrently(names(namespace, count), create)

    async def patch_status(self, namespace: str, count: int) -> float:
        """Writes the status of each once; returns the seconds it took."""

        async def patch(name: str) -> None:
            await self._request("PATCH", f"{_url(namespace)}/{name}/status", {"status": status(name)})

        return await _concurrently(names(namespace, count), patch)

    async def delete_all(self, namespace: str) -> None:
        """Deletes all StockItems of a namespace; they must not have finalizers."""
        await self._request("DELETE", _url(namespace))

    async def until_synced(self, namespace: str, count: int, *, seconds: float) -> float:
        """Watches a namespace until `count` StockItems are Synced; returns that instant of the monotonic clock.

        Raises TimeoutError after `seconds`, RuntimeError when the API server refuses the watch.
        """
        synced: set[str] = set()
        try:
            async with asyncio.timeout(seconds):
                while True:
                    await self._watch(namespace, synced, count)
                    if len(synced) == count:
                        return time.monotonic()
                    await asyncio.sleep(_WATCH_AGAIN_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"{len(synced)} of {count} in {namespace} are Synced after {seconds} s") from None

    async def _watch(self, namespace: str, synced: set[str], count: int) -> None:
        """Adds the names of Synced StockItems until there are `count`, or the API server ends the watch.

        A watch begins with all StockItems. It may end at any time, for example when its client falls behind.
        """
        with contextlib.suppress(aiohttp.ClientPayloadError):  # the connection was lost
            async with self._http.get(self._server + _url(namespace), params={"watch": "true"}) as answer:
                await _check(answer)
                async for line in answer.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        _check_expired(event["object"])
                        return
                    if is_synced(event["object"]):
                        synced.add(event["object"]["metadata"]["name"])
                    if len(synced) == count:
                        return

    async def _request(self, method: str, path: str, body: Any = None) -> None:
        media_type = "application/merge-patch+json" if method == "PATCH" else "application/json"
        data, headers = json.dumps(body), {"Content-Type": media_type}
        async with self._http.request(method, self._server + path, data=data, headers=headers) as answer:
            await _check(answer)
            await answer.read()


def names(namespace: str, count: int) -> Sequence[str]:
    """The names of the StockItems in a namespace, which are also their SKUs."""
    return [f"{namespace}-{number:06}" for number in range(count)]


def stock_item(namespace: str, name: str) -> dict[str, Any]:
    """A manifest."""
    return {
        "apiVersion": "reservaestoque.dev/v1",
        "kind": "StockItem",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"name": f"Produto {name}", "quantity": 100},
    }


def status(sku: str) -> dict[str, Any]:
    """A status as large as the operator's."""
    instant = "2026-11-24T12:00:00Z"
    return {
        "sku": sku,
        "quantity": 100,
        "available": 100,
        "reserved": 0,
        "sold": 0,
        "onHand": 100,
        "observedGeneration": 0,
        "lastSyncTime": instant,
        "conditions": [
            {
                "type": kind,
                "status": value,
                "reason": reason,
                "message": message,
                "observedGeneration": 0,
                "lastTransitionTime": instant,
            }
            for kind, value, reason, message in _CONDITIONS
        ],
    }


def is_synced(stock_item: dict[str, Any]) -> bool:
    """Whether the operator has put the StockItem into effect."""
    conditions = stock_item.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Synced" and condition["status"] == "True" for condition in conditions)


def _check_expired(status: dict[str, Any]) -> None:
    if status.get("code") != HTTPStatus.GONE:
        raise RuntimeError(f"the watch ended with {status}")


async def _check(answer: aiohttp.ClientResponse) -> None:
    if not answer.ok:
        text = await answer.read()
        raise RuntimeError(f"{answer.method} {answer.url.path}: {answer.status} {text[:300]!r}")


def _url(namespace: str) -> str:
    return _PATH.format(namespace=namespace)


async def _concurrently(names: Sequence[str], work: Callable[[str], Awaitable[None]]) -> float:
    """Runs `work` for all names, CONNECTIONS at a time; returns the seconds it took."""
    started, rest = time.monotonic(), iter(names)

    async def worker() -> None:
        for name in rest:
            await work(name)

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return time.monotonic() - started
