"""The log of changed SKUs, as events of the streams: a balance a SKU, however often it changed meanwhile."""

from collections.abc import Iterable
from typing import Any

import asyncpg
import msgspec

from estoque.saldos import Saldo
from reservaestoque.postgres import Queries
from reservaestoque.streams import Batch, ChangeLog, Frame, Position, fitting, reached, sse

READ_CHANGES = 500
READS = 100
PAGE_SKUS = 250

_json = msgspec.json.Encoder()
_consultar = Queries("estoque")["consultar_saldos"]


class Page:
    """The SKUs that changes name, each once, up to PAGE_SKUS of them, and where in the log one comes with them."""

    def __init__(self, after: Position) -> None:
        self.position = after
        self.full = False
        self._first: dict[str, Position] = {}

    @property
    def skus(self) -> list[str]:
        """In the order in which they were first named."""
        return list(self._first)

    def add(self, changes: Iterable[tuple[str | None, Position]]) -> None:
        """Takes changes of SKUs, or of none, with where one comes with them; no further than the page has room."""
        for sku, position in changes:
            if sku is not None and sku not in self._first:
                if len(self._first) == PAGE_SKUS:
                    self.full = True
                    return
                self._first[sku] = self.position
            self.position = max(self.position, position)

    def cut(self, skus: int) -> None:
        """Ends the page before its SKU number `skus`, from 0: where one has come then."""
        self.position = self._first[self.skus[skus]]
        self.full = True


class Mudancas:
    """A source of events `saldo` with the present balances of the SKUs that changed, and `encerrado` for those that
    are no longer there.

    Only the last event of a batch has an id: who has not got all of them comes back for all of them.
    """

    def __init__(self, log: ChangeLog, pool: "asyncpg.Pool[Any]") -> None:
        self._log = log
        self._pool = pool

    async def newest(self) -> Position:
        """The position past all that may be read now. Raises what asyncpg raises."""
        return await self._log.newest()

    async def check(self, position: Position) -> None:
        """Raises PositionLostError and what asyncpg raises."""
        await self._log.check(position)

    async def read(self, after: Position) -> Batch:
        """What up to 50,000 changes touched: each SKU once, 250 of them and PAGE_BYTES at most.

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
        return Batch(_frames(events[:fit], page.position), page.position, page.full or rows == READ_CHANGES)

    async def _events(self, skus: list[str]) -> list[tuple[str, bytes]]:
        rows = await self._pool.fetch(_consultar, skus) if skus else []
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
