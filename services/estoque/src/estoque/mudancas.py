"""The log of changed SKUs, as events of the streams: a balance a SKU, however often it changed meanwhile."""

import msgspec

from estoque.saldos import MAX_CONSULTA, Saldos
from reservaestoque.streams import Batch, ChangeLog, Frame, Position, sse

PAGE_ROWS = 1000
PAGES = 50

_json = msgspec.json.Encoder()


class Mudancas:
    """A source of events `saldo` with the present balances of the SKUs that changed, and `encerrado` for those that
    are no longer there.

    Only the last event of a batch has an id: who has not got all of them comes back for all of them.
    """

    def __init__(self, log: ChangeLog, saldos: Saldos) -> None:
        self._log = log
        self._saldos = saldos

    async def newest(self) -> Position:
        """The position past all that may be read now. Raises what asyncpg raises."""
        return await self._log.newest()

    async def read(self, after: Position) -> Batch:
        """What up to 50,000 changes touched, each SKU once. Raises PositionLostError and what asyncpg raises."""
        position, more, skus = after, True, set[str]()
        for _ in range(PAGES):
            rows = await self._log.page(position, PAGE_ROWS)
            novas = [row for row in rows if (row["transacao"], row["id"]) > position[:2]]
            skus.update(sku for row in novas for sku in row["skus"])
            position = Position(novas[-1]["transacao"], novas[-1]["id"]) if novas else position
            more = len(rows) == PAGE_ROWS
            if not more:
                break
        return Batch(await self._eventos(sorted(skus), position), position, more)

    async def _eventos(self, skus: list[str], position: Position) -> list[Frame]:
        eventos: list[tuple[str, bytes]] = []
        for inicio in range(0, len(skus), MAX_CONSULTA):
            pagina = skus[inicio : inicio + MAX_CONSULTA]
            saldos = {saldo.sku: saldo for saldo in await self._saldos.consultar(pagina)}
            eventos += [
                ("saldo", _json.encode(saldos[sku])) if sku in saldos else ("encerrado", _json.encode({"sku": sku}))
                for sku in pagina
            ]
        ultimo = len(eventos) - 1
        return [
            Frame(position, None, sse.event(nome, dados, position if n == ultimo else None))
            for n, (nome, dados) in enumerate(eventos)
        ]
