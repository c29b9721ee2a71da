"""Everything the operator may do in PostgreSQL: call the functions that estoque's migrations own."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from operador.decide.saldo import Saldo
from operador.decide.stockitem import StockItem
from reservaestoque.postgres import Pool, Queries, reachable

CHANGES_PER_PAGE = 60_000
"""About a second of the highest load: the balance of a SKU, which may change with each batch of orders, is read
once for all of them. A page of as many different SKUs takes PostgreSQL 0.12 s and the operator another 0.12 s."""
_ROWS_PER_PAGE = 1000
_sql = Queries("operador")


class Position(NamedTuple):
    """A place in estoque's change log: all changes up to part `parte` of the row (`transacao`, `mudanca`)."""

    transacao: int
    mudanca: int
    parte: int


class Changes(NamedTuple):
    """The current balances of the SKUs that changed up to `position`, and whether more changes can be read now."""

    saldos: list[Saldo]
    position: Position
    more: bool


class Database:
    """Calls of the SQL functions. Every method raises what asyncpg raises; `is_transient` classifies it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def sync(self, items: Sequence[StockItem]) -> dict[tuple[str, str], Saldo | None]:
        """Makes the rows match the items. Returns each row by (owner, SKU), None when there is none."""
        rows = await self._pool.fetch(
            _sql["sync_items"],
            [i.key.dono for i in items],
            [i.sku for i in items],
            [i.nome for i in items],
            [i.quantidade for i in items],
            [i.paused for i in items],
            [i.limite_baixo for i in items],
            [i.ending for i in items],
        )
        return {
            (r["dono"], r["sku"]): _saldo(r, dono=r["dono_atual"]) if r["situacao"] is not None else None
            for r in rows
        }

    async def pages(self) -> AsyncIterator[list[Saldo]]:
        """All balances, page by page. Between two pages the connection idles in a transaction."""
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(_sql["read_saldos"])
            while rows := await connection.in_time(cursor.fetch(_ROWS_PER_PAGE)):
                yield [_saldo(r, dono=r["dono"], nome=r["nome"]) for r in rows]

    async def newest_change(self) -> Position | None:
        """The position after which `changed_since` returns every later commit; None when the log is empty."""
        row = await self._pool.fetchrow(_sql["newest_change"])
        return Position(**row) if row else None

    async def changed_since(self, position: Position) -> Changes | None:
        """A page of changes after `position`. None when the log no longer has that position: changes may be lost."""
        rows = await self._pool.fetch(_sql["saldos_since"], *position, CHANGES_PER_PAGE)
        if not rows:
            return None
        saldos = [_saldo(r, dono=r["dono"], nome=r["nome"]) for r in rows if r["sku"] is not None]
        reached = Position(*(rows[0][field] for field in Position._fields))
        return Changes(saldos, reached, rows[0]["changes_read"] == CHANGES_PER_PAGE)

    async def sweep(self, limit: int) -> int:
        """Sweeps up to `limit` lapsed reservations; returns how many it swept."""
        return int(await self._pool.fetchval(_sql["sweep_reservas"], limit))

    async def sweep_lag(self) -> float:
        """Seconds for which the oldest lapsed reservation has been waiting for the sweep; 0 when there is none."""
        lag: timedelta = await self._pool.fetchval(_sql["sweep_lag"])
        return lag.total_seconds()

    async def reachable(self) -> bool:
        """Whether the database answers."""
        return await reachable(self._pool)


def _saldo(r: Any, *, dono: str | None, nome: str | None = None) -> Saldo:
    return Saldo(
        sku=r["sku"],
        dono=dono,
        situacao=r["situacao"],
        alvo=r["alvo"],
        quantidade=r["quantidade"],
        reservado=r["reservado"],
        vendido=r["vendido"],
        disponivel=r["disponivel"],
        limite_baixo=r["limite_baixo"],
        nome=nome,
    )
