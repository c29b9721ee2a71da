"""Scrapes all replicas of all parts concurrently; an unresponsive replica delays a scrape by at most the timeout."""

import asyncio
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from painel import system_state
from painel.exposition import parse
from painel.system_state import ScrapeResult, Snapshot
from reservaestoque.telemetry import logger

REMEMBERED_SECONDS = 60.0
"""Seconds for which a replica is listed as down after it has left DNS."""

_log = logger(__name__)


@dataclass(frozen=True)
class Part:
    """A part: the URLs of its replicas, the path of their readiness probe, and that of their metrics."""

    name: str
    urls: Sequence[str]
    ready: str | None = "/health/ready"
    metrics: str | None = "/metrics"


@dataclass(frozen=True)
class _Address:
    part: Part
    name: str
    url: str


class Scraper:
    """Scrapes all replicas. A host name stands for all of its addresses, as with headless Services."""

    def __init__(self, parts: Sequence[Part], timeout: float) -> None:
        self._parts = parts
        self._timeout = timeout
        self._seen: dict[str, dict[str, float]] = {part.name: {} for part in parts}
        self._client = httpx.AsyncClient(timeout=timeout, trust_env=False)

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()

    async def scrape(self) -> Snapshot:
        """The current answers of all replicas."""
        found = await asyncio.gather(*map(self._addresses, self._parts))
        results = await asyncio.gather(
            *(self._scrape_replica(address) for addresses in found for address in addresses)
        )
        absent = [
            ScrapeResult(part.name, "", ready=False)
            for part, addresses in zip(self._parts, found, strict=True)
            if not addresses
        ]
        order = {part.name: number for number, part in enumerate(self._parts)}
        return Snapshot(time.time(), sorted([*results, *absent], key=lambda result: order[result.part]))

    async def _addresses(self, part: Part) -> list[_Address]:
        hosts = await asyncio.gather(*(self._resolve(url) for url in part.urls))
        urls = [url for found in hosts for url in found]
        now, seen = time.monotonic(), self._seen[part.name]
        seen.update(dict.fromkeys(urls, now))
        for url, last in list(seen.items()):
            if now - last > REMEMBERED_SECONDS:
                del seen[url]
        return [_Address(part, _name(part, url), url) for url in seen]

    async def _resolve(self, url: str) -> list[str]:
        parsed = urlsplit(url)
        try:
            async with asyncio.timeout(self._timeout):
                found = await asyncio.get_running_loop().getaddrinfo(
                    parsed.hostname, parsed.port or 80, type=socket.SOCK_STREAM
                )
        except (OSError, TimeoutError):
            return []
        hosts = dict.fromkeys((str(address[4][0]), int(address[4][1])) for address in found)
        return [f"http://{f'[{host}]' if ':' in host else host}:{port}" for host, port in hosts]

    async def _scrape_replica(self, address: _Address) -> ScrapeResult:
        part = address.part
        ready, page = await asyncio.gather(self._get(address.url, part.ready), self._get(address.url, part.metrics))
        metrics = parse(page.text, system_state.NAMES) if page is not None and page.is_success else None
        if part.ready is None:
            return ScrapeResult(part.name, address.name, metrics is not None, metrics)
        return ScrapeResult(part.name, address.name, ready is not None and ready.is_success, metrics)

    async def _get(self, url: str, path: str | None) -> httpx.Response | None:
        if path is None:
            return None
        try:
            async with asyncio.timeout(self._timeout):
                return await self._client.get(url + path)
        except (httpx.HTTPError, TimeoutError) as fault:
            _log.debug("replica_silent", url=url, path=path, fault=repr(fault))
            return None


def _name(part: Part, url: str) -> str:
    """`pedidos-1` if the settings give each replica's address, as in the local system; otherwise the address."""
    return f"{part.name}-{part.urls.index(url) + 1}" if url in part.urls else urlsplit(url).netloc


def configured(parts: Mapping[str, Sequence[str]]) -> list[Part]:
    """The parts that have URLs. Envoy and RabbitMQ have their own paths; RabbitMQ is up if it serves metrics."""
    queue_metrics = "/metrics/detailed?family=queue_coarse_metrics"
    paths: dict[str, tuple[str | None, str | None]] = {"gateway": ("/ready", None), "rabbitmq": (None, queue_metrics)}
    return [Part(name, urls, *paths.get(name, ("/health/ready", "/metrics"))) for name, urls in parts.items() if urls]
