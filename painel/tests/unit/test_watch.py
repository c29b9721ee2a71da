"""Scraping the system, and streaming its state to watchers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from uvicorn_here import serving

from painel.scrape import Part, Scraper, configured
from painel.system_state import ScrapeResult, Snapshot
from painel.watch import Watch


class Looks:
    def __init__(self) -> None:
        self.count = 0

    async def scrape(self) -> Snapshot:
        self.count += 1
        return Snapshot(float(self.count), [ScrapeResult("pedidos", "pedidos-1", ready=True)])


@asynccontextmanager
async def running(watch: Watch) -> AsyncIterator[None]:
    task = asyncio.create_task(watch.run())
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_nothing_is_scraped_while_nobody_watches():
    looks = Looks()
    async with running(Watch(looks, 0.01)):
        await asyncio.sleep(0.05)
        assert looks.count == 0


async def test_scraping_ends_some_time_after_the_last_watcher_has_left():
    looks = Looks()
    watch = Watch(looks, 0.005)
    async with running(watch):
        assert (await watch.latest()).parts[0].name == "pedidos"
        await asyncio.sleep(0.3)
        count = looks.count
        await asyncio.sleep(0.1)
        assert looks.count == count
        await watch.latest()
        assert looks.count > count, "the next caller does not get an old state"


async def test_a_stream_has_every_state_and_ends_when_the_program_stops():
    watch = Watch(Looks(), 0.01)
    async with running(watch):
        stream = watch.follow()
        pieces = [await anext(stream) for _ in range(4)]
        assert pieces[0].startswith(b"retry:")
        states = [json.loads(piece.partition(b"data: ")[2]) for piece in pieces[1:]]
        assert len({told["em"] for told in states}) == 3
        watch.close()
        async with asyncio.timeout(5):
            assert len([piece async for piece in stream]) <= 1


async def answer(scope, receive, send):
    if scope["type"] != "http":
        return
    status = 503 if scope["path"] == "/health/ready" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"outbox_depth 5\n"})


async def test_silent_replicas_are_distinguished_from_unready_ones():
    async with serving(answer) as served:
        parts = [
            Part("pedidos", [f"http://127.0.0.1:{served.port}", "http://127.0.0.1:9"]),
            Part("gone", ["http://no.invalid:1"]),
        ]
        scraper = Scraper(parts, 0.5)
        try:
            view = await scraper.scrape()
        finally:
            await scraper.close()
    told = [(look.part, look.name, look.ready, look.metrics is not None) for look in view.results]
    assert told == [
        ("pedidos", "pedidos-1", False, True),
        ("pedidos", "pedidos-2", False, False),
        ("gone", "", False, False),
    ]
    metrics = view.results[0].metrics
    assert metrics is not None
    assert metrics.sum("outbox_depth") == 5


async def test_a_host_name_stands_for_all_its_addresses_and_lost_ones_are_remembered(monkeypatch):
    addresses = [["10.0.0.1", "10.0.0.2"], ["10.0.0.2"]]

    async def resolve(self, host, port, **_):
        return [(2, 1, 6, "", (address, port)) for address in addresses[0]]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", resolve)
    asked: list[str] = []

    async def get(self, url, **_):
        asked.append(url)
        raise httpx.ConnectError("no")

    monkeypatch.setattr(httpx.AsyncClient, "get", get)
    scraper = Scraper([Part("pedidos", ["http://pedidos:9000"])], 0.5)
    names = [look.name for look in (await scraper.scrape()).results]
    assert names == ["10.0.0.1:9000", "10.0.0.2:9000"]
    addresses.pop(0)
    assert [look.name for look in (await scraper.scrape()).results] == names, "a lost replica is listed for a minute"
    await scraper.close()


def test_parts_without_addresses_are_not_watched():
    parts = configured({"pedidos": ["http://a:1"], "gateway": ["http://b:2"], "rabbitmq": [], "estoque": ()})
    assert [(part.name, part.ready, part.metrics) for part in parts] == [
        ("pedidos", "/health/ready", "/metrics"),
        ("gateway", "/ready", None),
    ]
