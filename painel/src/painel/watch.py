"""Scrapes the system at an interval while a client watches."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from painel.system_state import Snapshot, SystemState, state
from reservaestoque.streams import sse, woken

HEARTBEAT_SECONDS = 15.0
_IDLE_INTERVALS = 15
"""Number of intervals for which scraping continues after the last watcher has left, so that the next one
gets rates if it arrives soon.
"""


class SystemScraper(Protocol):
    """The interface of `painel.scrape.Scraper`."""

    async def scrape(self) -> Snapshot:
        """The current answers of all replicas."""
        ...


class Watch:
    """Keeps the latest state; scrapes nothing while no client watches."""

    def __init__(self, scraper: SystemScraper, interval: float) -> None:
        self._scraper = scraper
        self._interval = interval
        self._snapshot: Snapshot | None = None
        self._latest: SystemState | None = None
        self._fresh = asyncio.Event()
        self._wanted = asyncio.Event()
        self._wanted_at = 0.0
        self._watchers: set[asyncio.Event] = set()
        self._closed = False

    async def run(self) -> None:
        """Scrapes until cancelled."""
        while True:
            await self._wanted.wait()
            began = time.monotonic()
            await self._scrape()
            if not self._watchers and time.monotonic() - self._wanted_at > self._interval * _IDLE_INTERVALS:
                self._wanted.clear()
                self._fresh.clear()
                self._snapshot = None
                continue
            await asyncio.sleep(max(0.0, self._interval - (time.monotonic() - began)))

    async def latest(self) -> SystemState:
        """The state, at most an interval old."""
        self._mark_wanted()
        await self._fresh.wait()
        assert self._latest is not None  # noqa: S101 - set before `_fresh`
        return self._latest

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """The text of a stream: the state now and after each scrape."""
        signal = asyncio.Event()
        self._watchers.add(signal)
        self._mark_wanted()
        sent: SystemState | None = None
        try:
            yield sse.OPENING
            while not self._closed:
                if self._fresh.is_set() and self._latest is not None and self._latest is not sent:
                    sent = self._latest
                    yield sse.event("sistema", msgspec.json.encode(sent))
                elif not await woken(signal, HEARTBEAT_SECONDS):
                    yield sse.HEARTBEAT
        finally:
            self._watchers.discard(signal)
            self._mark_wanted()

    def close(self) -> None:
        """Ends all streams."""
        self._closed = True
        self._wake()

    async def _scrape(self) -> None:
        snapshot = await self._scraper.scrape()
        self._latest, self._snapshot = state(snapshot, self._snapshot), snapshot
        self._fresh.set()
        self._wake()

    def _mark_wanted(self) -> None:
        self._wanted_at = time.monotonic()
        self._wanted.set()

    def _wake(self) -> None:
        for signal in self._watchers:
            signal.set()
