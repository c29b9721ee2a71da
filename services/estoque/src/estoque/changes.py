"""The log of changed SKUs, as events of the streams: one balance per SKU, however often it changed in between."""

from collections.abc import Iterable
from typing import Any

import asyncpg
import msgspec

from estoque.saldos import Saldo
from reservaestoque.postgres import Queries
from reservaestoque.streams import ChangeLog, EventPage, Frame, Position, fitting, reached, sse

READ_CHANGES = 500
READS = 100
PAGE_SKUS = 250

_json = msgspec.json.Encoder()
_sql = Queries("estoque")


class Page:
    """The SKUs named by changes, each once, up to PAGE_SKUS, and the log position that they reach."""

    def __init__(self, after: Position) -> None:
        self.position = after
        self.full = False
        self._first: dict[str, Position] = {}

    @property
    def skus(self) -> list[str]:
        """The SKUs, in the order of their first change."""
        return list(self._first)

    def add(self, changes: Iterable[tuple[str | None, Position]]) -> None:
        """Adds changes, each with its SKU, if any, and the position that it reaches, until the page is full."""
        for sku, position in changes:
            if sku is not None and sku not in self._first:
                if len(self._first) == PAGE_SKUS:
                    self.full = True
                    return
                self._first[sku] = self.position
            self.position = max(self.position, position)

    def cut(self, skus: int) -> None:
        """Keeps only the first `skus` SKUs, and moves the position back to their end."""
        self.position = self._first[self.skus[skus]]
        self.full = True


class Changes:
    """A source of events: `saldo`, the current balance of a SKU that changed; `encerrado`, for one no longer offered.

    Only the last event of a batch has an id: a client that missed some of them receives all of them again.
    """

    def __init__(self, log: ChangeLog, pool: "asyncpg.Pool[Any]") -> None:
        self._log = log
        self._pool = pool

    async def newest(self) -> Position:
        """The position past everything readable now. Raises what asyncpg raises."""
        return await self._log.newest()

    async def check(self, position: Position) -> None:
        """Raises PositionLostError and what asyncpg raises."""
        await self._log.check(position)

    async def read(self, after: Position) -> EventPage:
        """The SKUs of up to 50,000 changes, each once: at most 250 SKUs and PAGE_BYTES.

        Raises PositionLostError and what asyncpg raises.
        """
        page, rows = Page(after), READ_CHANGES
        for _ in range(READS):
            changes = await self._log.page(page.position, READ_CHANGES)
            page.add((change["sku"], reached(change)) for change in changes)
            rows = len(changes)
            if page.full or rows < READ_CHANGES:
                break
        events = await self._events(page.skus)
        fit = fitting(len(sse.event(*event)) for event in events)
        if fit < len(events):
            page.cut(fit)
        return EventPage(_frames(events[:fit], page.position), page.position, page.full or rows == READ_CHANGES)

    async def _events(self, skus: list[str]) -> list[tuple[str, bytes]]:
        rows = await self._pool.fetch(_sql["get_saldos"], skus) if skus else []
        saldos = {row["sku"]: Saldo(**row) for row in rows}
        return [
            ("saldo", _json.encode(saldos[sku])) if sku in saldos else ("encerrado", _json.encode({"sku": sku}))
            for sku in skus
        ]


def _frames(events: list[tuple[str, bytes]], position: Position) -> list[Frame]:
    last = len(events) - 1
    return [
        Frame(position, None, sse.event(name, data, position if n == last else None))
        for n, (name, data) in enumerate(events)
    ]
