"""The change log of orders, as events of the streams."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from reservaestoque.events import Status
from reservaestoque.streams import ChangeLog, EventPage, Frame, Position, fitting, reached, sse

PAGE_CHANGES = 128  # about 30 KiB, unless customers have very long names

_json = msgspec.json.Encoder()


class PedidoChange(msgspec.Struct, frozen=True, rename="camel"):
    """An order after a change; `versao` is 0 on creation. `expira_em` is set while its units are reserved."""

    pedido_id: UUID
    cliente_id: str
    status: Status
    versao: int
    atualizado_em: datetime
    expira_em: datetime | None


class Changes:
    """A source of events `status`, keyed by customer, each with a position of its own."""

    def __init__(self, log: ChangeLog) -> None:
        self._log = log

    async def newest(self) -> Position:
        """The position past everything readable now. Raises what asyncpg raises."""
        return await self._log.newest()

    async def check(self, position: Position) -> None:
        """Raises PositionLostError and what asyncpg raises."""
        await self._log.check(position)

    async def read(self, after: Position) -> EventPage:
        """Up to PAGE_CHANGES events, PAGE_BYTES at most. Raises PositionLostError and what asyncpg raises."""
        rows = await self._log.page(after, PAGE_CHANGES)
        frames = [_event(row) for row in rows if row["parte"]]
        fit = fitting(len(frame.data) for frame in frames)
        if fit < len(frames):
            return EventPage(frames[:fit], frames[fit - 1].position, True)
        return EventPage(frames, max([after, *map(reached, rows[-1:])]), len(rows) == PAGE_CHANGES)


def _event(row: asyncpg.Record) -> Frame:
    position = reached(row)
    change = PedidoChange(
        row["pedido_id"], row["cliente_id"], row["status"], row["versao"], row["atualizado_em"], row["expira_em"]
    )
    return Frame(position, change.cliente_id, sse.event("status", _json.encode(change), position))
