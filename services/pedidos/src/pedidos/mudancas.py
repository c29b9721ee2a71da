"""The log of changed orders, as events of the streams."""

from datetime import datetime
from uuid import UUID

import msgspec

from reservaestoque.events import Status
from reservaestoque.streams import Batch, ChangeLog, Frame, Position, sse

PAGE_ROWS = 20  # of up to some 200 orders each

_json = msgspec.json.Encoder()


class PedidoMudado(msgspec.Struct, frozen=True, rename="camel"):
    """An order as it became; `versao` 0 when it was created. `expira_em` is there while its units are reserved."""

    pedido_id: UUID
    cliente_id: str
    status: Status
    versao: int
    atualizado_em: datetime
    expira_em: datetime | None


_ler = msgspec.json.Decoder(list[PedidoMudado]).decode


class Mudancas:
    """A source of events `status`, keyed by customer, each with a position of its own."""

    def __init__(self, log: ChangeLog) -> None:
        self._log = log

    async def newest(self) -> Position:
        """The position past all that may be read now. Raises what asyncpg raises."""
        return await self._log.newest()

    async def read(self, after: Position) -> Batch:
        """Up to 20 commits' changes. Raises PositionLostError and what asyncpg raises."""
        rows = await self._log.page(after, PAGE_ROWS)
        frames: list[Frame] = []
        position = after
        for row in rows:
            mudados = _ler(row["pedidos"])
            for parte, mudado in enumerate(mudados, 1):
                position = Position(row["transacao"], row["id"], parte)
                if position > after:
                    frames.append(
                        Frame(position, mudado.cliente_id, sse.event("status", _json.encode(mudado), position))
                    )
            position = max(after, Position(row["transacao"], row["id"], len(mudados)))
        return Batch(frames, position, len(rows) == PAGE_ROWS)
